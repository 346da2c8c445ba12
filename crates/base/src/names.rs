//! Names as small numbers. A name keeps its number for the life of the process, across reloads,
//! so samples, windows and per-thread tables can index arrays with it.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u16);
        impl $name {
            /// "None of them": not matched, not known, or too many names.
            pub const NONE: $name = $name(u16::MAX);
            pub fn is_none(self) -> bool {
                self == Self::NONE
            }
            pub fn get(self) -> Option<usize> {
                (!self.is_none()).then_some(self.0 as usize)
            }
        }
        impl Default for $name {
            fn default() -> Self {
                Self::NONE
            }
        }
        impl From<u16> for $name {
            fn from(v: u16) -> Self {
                $name(v)
            }
        }
        impl From<$name> for u16 {
            fn from(v: $name) -> u16 {
                v.0
            }
        }
    };
}

index!(
    /// A route's number.
    RouteIx
);
index!(
    /// An instance's number; its name is `service/address`.
    InstanceIx
);
index!(
    /// A resource's number; its name is `class.service[.detail]`, such as `lock.front.stock`.
    ResourceIx
);

/// A bounded, append-only table of names. Cheap to clone; shared by all threads.
#[derive(Clone, Debug)]
pub struct Interner<I> {
    inner: Arc<RwLock<Table>>,
    limit: usize,
    _index: std::marker::PhantomData<I>,
}

#[derive(Debug, Default)]
struct Table {
    names: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, u16>,
}

impl<I: From<u16>> Interner<I> {
    /// `limit` is at most 65 535: the last number means "none".
    pub fn new(limit: usize) -> Self {
        Interner {
            inner: Arc::default(),
            limit: limit.min(u16::MAX as usize),
            _index: std::marker::PhantomData,
        }
    }

    /// The number of `name`, given out if new; "none" once the table is full.
    pub fn intern(&self, name: &str) -> I {
        if let Some(&ix) = self
            .inner
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_name
            .get(name)
        {
            return I::from(ix);
        }
        let mut t = (self.inner.write()).unwrap_or_else(PoisonError::into_inner);
        if let Some(&ix) = t.by_name.get(name) {
            return I::from(ix);
        }
        if t.names.len() >= self.limit {
            return I::from(u16::MAX);
        }
        let ix = t.names.len() as u16;
        let name: Arc<str> = name.into();
        t.names.push(name.clone());
        t.by_name.insert(name, ix);
        I::from(ix)
    }

    pub fn find(&self, name: &str) -> Option<I> {
        self.inner
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_name
            .get(name)
            .map(|&i| I::from(i))
    }

    /// All names, in the order of their numbers.
    pub fn all(&self) -> Vec<Arc<str>> {
        self.inner
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .names
            .clone()
    }
}

impl<I: Into<u16> + Copy> Interner<I> {
    pub fn name(&self, ix: I) -> Option<Arc<str>> {
        let i: u16 = ix.into();
        self.inner
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .names
            .get(i as usize)
            .cloned()
    }
}

/// The three tables of one process.
#[derive(Clone, Debug)]
pub struct Names {
    pub routes: Interner<RouteIx>,
    pub instances: Interner<InstanceIx>,
    pub resources: Interner<ResourceIx>,
}

/// Routes that are told apart; those beyond have no number.
pub const ROUTES: usize = 4096;

impl Default for Names {
    fn default() -> Self {
        Names {
            routes: Interner::new(ROUTES),
            instances: Interner::new(8192),
            resources: Interner::new(1024),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_and_a_full_table_says_none() {
        let names: Interner<RouteIx> = Interner::new(2);
        let a = names.intern("a");
        assert_eq!(names.intern("b"), RouteIx(1));
        assert_eq!(names.intern("a"), a);
        assert_eq!(names.intern("c"), RouteIx::NONE);
        assert_eq!(names.name(a).as_deref(), Some("a"));
        assert_eq!(names.find("c"), None);
    }
}
