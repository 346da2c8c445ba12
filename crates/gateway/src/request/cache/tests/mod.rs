//! The store, and the gate from end to end without sockets.

mod gate;
mod store;

type List = Vec<(&'static str, String)>;

fn fields(list: &[(&'static str, &str)]) -> List {
    list.iter().map(|(n, v)| (*n, v.to_string())).collect()
}
