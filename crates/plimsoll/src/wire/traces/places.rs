//! Where each stored trace stands in the order of time, by its id: so that rows can be written in that order and one of them be
//! asked for by its id.

use ::traces::row::Place;
use std::collections::HashMap;

/// As many as are stored, 17 bytes each.
#[derive(Default)]
pub struct Places {
    /// By the lower half of an id, which is random; two that share it share a place here, and one of them is not found.
    all: HashMap<u64, u64>,
    /// The file has been read.
    pub is_known: bool,
}

fn half(id: u128) -> u64 {
    id as u64
}

impl Places {
    pub fn of(&self, id: u128) -> Option<Place> {
        self.all.get(&half(id)).map(|at| (*at, id))
    }

    pub fn put(&mut self, (at, id): Place) {
        self.all.insert(half(id), at);
    }

    /// Unless it stands somewhere else by now.
    pub fn remove(&mut self, (at, id): Place) {
        if self.all.get(&half(id)) == Some(&at) {
            self.all.remove(&half(id));
        }
    }

    pub fn clear(&mut self) {
        self.all.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_was_left_is_not_the_one_that_was_taken() {
        let mut places = Places::default();
        places.put((9, 7));
        places.put((8, 7));
        places.remove((9, 7));
        assert_eq!(places.of(7), Some((8, 7)));
        places.remove((8, 7));
        assert_eq!(places.of(7), None);
    }
}
