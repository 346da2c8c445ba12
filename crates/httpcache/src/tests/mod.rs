//! The rules of storing and answering.

mod keep;
mod reuse;

type List = Vec<(&'static str, String)>;

fn fields(list: &[(&'static str, &str)]) -> List {
    list.iter().map(|(n, v)| (*n, v.to_string())).collect()
}

/// 1994-11-06T08:49:37Z.
const NOW: u64 = 784_111_777;
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
