//! The matcher against a slow, obvious one, and every way that is known to get around a route.

use super::core::precedence;
use super::*;
use config::sections::{Match, PathTemplate, Route, Segment};
use proptest::prelude::*;

fn template(text: &str) -> PathTemplate {
    let segments = text.split('/').skip(1).filter(|s| !s.is_empty()).map(|s| {
        match s.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            None => Segment::Literal(s.into()),
            Some(name) => match name.strip_suffix("...") {
                Some(name) => Segment::Rest(name.into()),
                None => Segment::One(name.into()),
            },
        }
    });
    PathTemplate {
        segments: segments.collect(),
    }
}

/// `GET example.com /a/{b}`, `* * /{rest...}`; then headers as `name=value`.
fn route(name: &str, text: &str) -> Route {
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap();
    let given = |w: &str| (w != "*").then(|| w.to_owned());
    let (method, host, path) = (given(word()), given(word()), template(word()));
    Route {
        matcher: Match {
            method,
            host,
            path,
            headers: words
                .map(|w| w.split_once('=').unwrap())
                .map(|(n, v)| (n.into(), v.into()))
                .collect(),
        },
        to: "s".into(),
        ..Route::named(name)
    }
}

fn routes(list: &[&str]) -> Vec<Route> {
    let name = |i: usize| format!("r{i:03}");
    list.iter()
        .enumerate()
        .map(|(i, t)| route(&name(i), t))
        .collect()
}

fn find(
    list: &[Route],
    method: &str,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Option<usize>, BadPath> {
    Matcher::new(list).find(&Question {
        method,
        host: host.as_bytes(),
        path: path.as_bytes(),
        has: |n: &str, v: &str| {
            headers
                .iter()
                .any(|(hn, hv)| *hn == n && (v.is_empty() || *hv == v))
        },
    })
}

#[test]
fn the_more_specific_route_wins() {
    let list = routes(&[
        "GET * /products/{id}",
        "GET * /products/new",
        "* * /{rest...}",
        "GET * /products/{id} x-plan=gold",
        "GET shop.example /products/{id}",
        "GET *.example /products/{id}",
        "GET * /static/{rest...}",
        "GET * /static/{file}",
        "HEAD * /products/new",
    ]);
    let at = |m, h, p, hs: &[(&str, &str)]| find(&list, m, h, p, hs).unwrap();
    assert_eq!(at("GET", "x", "/products/7?a=/products/new", &[]), Some(0));
    assert_eq!(at("GET", "x", "/products/new", &[]), Some(1));
    assert_eq!(
        at("HEAD", "x", "/products/7", &[]),
        Some(0),
        "HEAD goes where GET goes"
    );
    assert_eq!(at("HEAD", "x", "/products/new", &[]), Some(8));
    assert_eq!(at("POST", "x", "/products/7", &[]), Some(2));
    assert_eq!(
        at("GET", "x", "/products/7", &[("x-plan", "gold")]),
        Some(3)
    );
    assert_eq!(at("GET", "SHOP.example.:8080", "/products/7", &[]), Some(4));
    assert_eq!(at("GET", "a.b.example", "/products/7", &[]), Some(5));
    assert_eq!(at("GET", "example", "/products/7", &[]), Some(0));
    assert_eq!(
        at("GET", "x", "/static", &[]),
        Some(6),
        "the rest may be empty"
    );
    assert_eq!(at("GET", "x", "/static/a", &[]), Some(7));
    assert_eq!(at("GET", "x", "/static/a/b", &[]), Some(6));
    assert_eq!(at("GET", "x", "/", &[]), Some(2));
}

#[test]
fn no_spelling_of_a_path_gets_around_its_route() {
    let list = routes(&[
        "* * /admin/{rest...}",
        "* * /{rest...}",
        "* * /files/{name}",
    ]);
    let at = |p: &str| find(&list, "GET", "x", p, &[]);
    for same in [
        "/admin",
        "/admin/",
        "//admin",
        "/%61dmin/x",
        "/admin//x",
        "/admin/a%2Fb",
        "/admin/;v=1/x",
    ] {
        assert_eq!(at(same), Ok(Some(0)), "{same}");
    }
    for refused in [
        "/x/../admin",
        "/./admin",
        "/%2e%2E/admin",
        "/.%2e/admin",
        "/x/..;/admin",
        "/x\\..\\admin",
        "/x%2f..%2fadmin",
    ] {
        assert_eq!(at(refused), Err(BadPath::DotSegment), "{refused}");
    }
    for refused in [
        "/admin;x/y",
        "/%5cadmin",
        "/\\admin",
        "/admin%2Fx",
        "/admin%5cx",
        "/%2fadmin",
        "/files/a%2Fb",
        "/;x/admin",
    ] {
        assert_eq!(at(refused), Err(BadPath::Ambiguous), "{refused}");
    }
    for (bad, why) in [
        ("/%", BadPath::Encoding),
        ("/%g0", BadPath::Encoding),
        ("/a%2", BadPath::Encoding),
        ("/a%00", BadPath::Byte),
        ("/a#b", BadPath::Byte),
        ("/a\u{1}", BadPath::Byte),
        ("admin", BadPath::NotAbsolute),
        ("*", BadPath::NotAbsolute),
        ("", BadPath::NotAbsolute),
    ] {
        assert_eq!(at(bad), Err(why), "{bad}");
    }
    assert_eq!(at("/.well-known/a..b/..."), Ok(Some(1)));
}

#[test]
fn an_encoded_slash_is_data_where_nothing_else_could_be_meant() {
    let list = routes(&["GET * /projects/{id}", "GET * /projects/{id}/issues"]);
    assert_eq!(find(&list, "GET", "x", "/projects/a%2Fb", &[]), Ok(Some(0)));
    assert_eq!(
        find(&list, "GET", "x", "/projects/a%2Fissues", &[]),
        Err(BadPath::Ambiguous)
    );
}

/// The obvious matcher: sorts all routes and tries one after the other on decoded segments.
fn naive(list: &[Route], method: &str, host: &str, path: &str) -> Option<usize> {
    let mut order: Vec<usize> = (0..list.len()).collect();
    order.sort_by(|&a, &b| precedence(&list[a]).cmp(&precedence(&list[b])));
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    order.into_iter().find(|&i| {
        let m = &list[i].matcher;
        let method = m
            .method
            .as_deref()
            .is_none_or(|x| x == method || x == "GET" && method == "HEAD");
        let host = m.host.as_deref().is_none_or(|h| match h.strip_prefix('*') {
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => h == host,
        });
        let mut rest = segments.iter();
        let mut open = false;
        let fits = m.path.segments.iter().all(|s| match s {
            Segment::Literal(l) => rest.next().is_some_and(|x| *x == l.as_str()),
            Segment::One(_) => rest.next().is_some(),
            Segment::Rest(_) => {
                open = true;
                true
            }
        });
        method && host && fits && (open || rest.next().is_none())
    })
}

fn words() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "ab", "{x}", "{y}"]);
    let end = prop::sample::select(vec!["", "/{rest...}"]);
    let method = prop::sample::select(vec!["*", "GET", "POST", "HEAD"]);
    let host = prop::sample::select(vec!["*", "h.io", "*.io", "*.h.io"]);
    (method, host, prop::collection::vec(segment, 0..4), end)
        .prop_map(|(m, h, s, e)| format!("{m} {h} /{}{e}", s.join("/")))
}

proptest! {
    #[test]
    fn the_tree_agrees_with_the_obvious_matcher(
        list in prop::collection::vec(words(), 1..24),
        method in prop::sample::select(vec!["GET", "POST", "HEAD", "PUT"]),
        host in prop::sample::select(vec!["h.io", "a.h.io", "x"]),
        path in prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", "c", ""]), 0..5),
    ) {
        let list = routes(&list.iter().map(String::as_str).collect::<Vec<_>>());
        let path = format!("/{}", path.join("/"));
        prop_assert_eq!(find(&list, method, host, &path, &[]).unwrap(), naive(&list, method, host, &path));
    }

    #[test]
    fn any_bytes_are_an_answer_and_encoding_changes_nothing(path in "[/a%2fF5c;\\\\.]{0,12}", plain in "(/[ab]{1,2}){1,4}") {
        let list = routes(&["* * /a/{x}", "* * /ab/{rest...}", "GET * /{x}/b"]);
        let _ = find(&list, "GET", "x", &path, &[]);
        let encoded: String = plain.chars().map(|c| if c == '/' { "/".into() } else { format!("%{:02X}", c as u32) }).collect();
        prop_assert_eq!(find(&list, "GET", "x", &plain, &[]), find(&list, "GET", "x", &encoded, &[]));
    }
}

#[test]
fn two_hundred_routes_cost_little() {
    let list: Vec<Route> = (0..200)
        .map(|i| {
            route(
                &format!("r{i}"),
                &format!("GET * /api/v1/things{i}/{{id}}/parts"),
            )
        })
        .collect();
    let matcher = Matcher::new(&list);
    let start = std::time::Instant::now();
    let rounds = 20_000;
    for i in 0..rounds {
        let path = [
            &b"/api/v1/things"[..],
            (i % 200).to_string().as_bytes(),
            b"/77/parts",
        ]
        .concat();
        let q = Question {
            method: "GET",
            host: b"shop.example",
            path: &path,
            has: |_: &str, _: &str| false,
        };
        assert_eq!(matcher.find(&q), Ok(Some(i % 200)));
    }
    // A fence against something quadratic, wide enough for a busy machine and an unoptimised build.
    let each = start.elapsed() / rounds as u32;
    assert!(
        each < std::time::Duration::from_micros(20),
        "{each:?} per match"
    );
    println!("{each:?} per match of 200 routes");
}
