//! The rules of storing and answering, and the gate from end to end without sockets.

mod gate;
mod keep;
mod reuse;
mod store;

use super::control::Fields;

type List = Vec<(&'static str, String)>;

impl Fields for List {
    fn each(&self, name: &str, each: &mut dyn FnMut(&[u8])) {
        let named = self.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.for_each(|(_, v)| each(v.as_bytes()));
    }
}

fn fields(list: &[(&'static str, &str)]) -> List {
    list.iter().map(|(n, v)| (*n, v.to_string())).collect()
}

/// 1994-11-06T08:49:37Z.
const NOW: u64 = 784_111_777;
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
