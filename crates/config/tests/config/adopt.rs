//! Writing an overlay into the file: comments stay, and the text means what the overlay made of it.

use crate::overlays::{document, overlay};
use config::{Document, Overlay, compose, edit, overlay_for, parse_patch};

const FILE: &str = "\
# the front door
listen: 127.0.0.1:8080
services:
  app:
    owner: web  # asks for # things
    instances: [127.0.0.1:3000]
    pool: { wait: 2s, size: 8 }  # small on purpose
routes:
  product:
    match: GET /products/{id}
    to: app
    cache:
      # editors save often
      ttl: 10s
      size: 1MiB  # fits
";

fn adopt(text: &str, patches: &[&str]) -> String {
    let d = document(text);
    let o = overlay("o", patches, &d);
    let out = edit::adopt("p.yaml", text, &o).unwrap();
    let adopted = compose(&document(&out), &[], 1, 0).unwrap().generation.base;
    let composed = compose(&d, &[o], 1, 0).unwrap();
    assert_eq!(composed.dropped, []);
    assert_eq!(adopted, composed.generation.base, "{out}");
    out
}

#[test]
fn a_section_is_changed_key_by_key_so_that_its_comments_stay() {
    let out = adopt(
        FILE,
        &["routes.product.cache={ttl: 30s, size: 1MiB, stale_while_revalidate: 1m}"],
    );
    let cache = "    cache:\n      # editors save often\n      ttl: 30s\n      size: 1MiB  # fits\n      stale_while_revalidate: 1m\n";
    assert!(out.ends_with(cache), "{out}");
    let out = adopt(FILE, &["routes.product.cache={ttl: 30s}"]);
    assert!(
        out.contains("# editors save often") && !out.contains("1MiB"),
        "{out}"
    );
}

#[test]
fn one_line_in_braces_is_written_anew_in_its_order() {
    let out = adopt(
        FILE,
        &[
            "services.app.pool.size=32",
            "services.app.owner=checkout team",
        ],
    );
    assert!(
        out.contains("    pool: { wait: 2s, size: 32 }  # small on purpose\n"),
        "{out}"
    );
    assert!(
        out.contains("    owner: \"checkout team\"  # asks for # things\n"),
        "{out}"
    );
    assert!(adopt(FILE, &["services.app.pool.size="]).contains("pool: { wait: 2s }"));
}

#[test]
fn new_sections_and_the_ends_of_lines() {
    let out = adopt(
        FILE,
        &[
            "limits.body=1MiB",
            "services.app.health={path: /up, rise: 1}",
        ],
    );
    assert!(out.ends_with("limits: { body: 1MiB }\n"), "{out}");
    assert!(
        out.contains("    health: { path: /up, rise: \"1\" }\n") || out.contains("rise: 1 }"),
        "{out}"
    );
    let windows = FILE.replace('\n', "\r\n");
    let out = adopt(&windows, &["services.app.limit=4"]);
    assert_eq!(out.matches('\n').count(), out.matches("\r\n").count());
    assert_eq!(adopt(FILE, &["routes="]).lines().count(), 7);
}

#[test]
fn comments_that_would_be_lost_are_a_reason_to_refuse() {
    let d = document(FILE);
    let text = FILE.replace(
        "[127.0.0.1:3000]",
        "\n      - 127.0.0.1:3000  # blue\n      - 127.0.0.1:3001",
    );
    let o = overlay("o", &["services.app.instances=[127.0.0.1:3002]"], &d);
    let f = edit::adopt("p.yaml", &text, &o).unwrap_err();
    assert!(f.what.contains("comments that would be lost"), "{f}");
    assert!(
        f.help.contains("services.app.instances: [127.0.0.1:3002]"),
        "{f}"
    );
}

#[test]
fn in_a_folder_each_operation_goes_to_the_file_that_holds_its_section() {
    let dir = std::env::temp_dir().join(format!("plimsoll-adopt-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (first, second) = FILE.split_at(FILE.find("routes:").unwrap());
    std::fs::write(dir.join("a.yaml"), first).unwrap();
    std::fs::write(dir.join("b.yaml"), second).unwrap();
    let (d, findings) = Document::load(&dir);
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(findings, []);
    let o = overlay(
        "o",
        &["routes.product.cache.ttl=1s", "services.app.limit=4"],
        &d,
    );
    let changed = edit::adopt_all(&d, &o).unwrap();
    assert_eq!(changed.len(), 2);
    assert!(
        changed[0].0.ends_with("a.yaml") && changed[0].1.contains("limit: 4"),
        "{changed:?}"
    );
    assert!(
        changed[1].0.ends_with("b.yaml") && changed[1].1.contains("ttl: 1s"),
        "{changed:?}"
    );
}

proptest::proptest! {
    /// Whatever is set or removed wherever: the text then holds exactly that, or the edit is refused.
    #[test]
    fn adopted_text_means_what_the_overlay_says(
        path in proptest::sample::select(vec![
            "services.app.owner", "services.app.pool", "services.app.pool.wait", "services.app.instances",
            "services.app.health.path", "routes.product.cache", "routes.product.cache.ttl", "routes.home", "listen",
            "routes.product", "limits", "resources.\"db.app\"", "services",
        ]),
        value in proptest::option::of("[ -~éñ]{1,12}"),
        nested in proptest::bool::ANY,
    ) {
        let text = |v: String| serde_json::Value::String(v);
        let mut op = parse_patch(&format!("{path}=")).unwrap();
        op.value = value.map(|v| if nested { serde_json::json!({ "ttl": v, "x": ["a", v] }) } else { text(v) });
        let d = document(FILE);
        let o = Overlay { ops: overlay_for(&d, vec![op.clone()]), ..overlay("o", &[], &d) };
        if let Ok(out) = edit::adopt("p.yaml", FILE, &o) {
            let after = document(&out);
            let now = after.root.find(&op.path).map(config::document::Node::to_json);
            proptest::prop_assert_eq!(now, op.value, "{}", out);
            proptest::prop_assert!(out.starts_with("# the front door\n"));
        }
    }
}
