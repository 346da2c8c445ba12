//! Entries reached by a number, without a search: samples come too often for one.

/// In the order of their first use.
#[derive(Debug)]
pub struct Numbered<T> {
    /// `at[number]`: position in `all` plus one; 0: no entry yet.
    at: Vec<u32>,
    all: Vec<(u32, T)>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Numbered {
            at: Vec::new(),
            all: Vec::new(),
        }
    }
}

impl<T> Numbered<T> {
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &(u32, T)> {
        self.all.iter()
    }

    /// The entry of this number; made when it is not there.
    #[inline]
    pub fn get_or(&mut self, number: u32, make: impl FnOnce() -> T) -> &mut T {
        let i = self.room(number);
        if self.at[i] == 0 {
            self.all.push((number, make()));
            self.at[i] = self.all.len() as u32;
        }
        &mut self.all[self.at[i] as usize - 1].1
    }

    /// Gives each entry the number that `moved` has for its old one.
    pub fn renumber(&mut self, moved: &[u32]) {
        self.at.clear();
        for i in 0..self.all.len() {
            let number = moved[self.all[i].0 as usize];
            self.all[i].0 = number;
            let s = self.room(number);
            self.at[s] = i as u32 + 1;
        }
    }

    #[inline]
    fn room(&mut self, number: u32) -> usize {
        let i = number as usize;
        if self.at.len() <= i {
            self.at.resize(i + 1, 0);
        }
        i
    }
}

impl<T> IntoIterator for Numbered<T> {
    type Item = (u32, T);
    type IntoIter = std::vec::IntoIter<(u32, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}
