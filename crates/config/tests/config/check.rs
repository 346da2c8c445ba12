//! Files as people write them: what is accepted, and what is said of what is not.

use base::Severity;
use config::check_text;
use config::sections::{CompressWhen, HashBy, HashMethod};

const FIVE_LINES: &str =
    "listen: 127.0.0.1:8080\nservices:\n  app:\n    instances: [127.0.0.1:3000]\n";

fn findings(text: &str) -> Vec<String> {
    check_text("p.yaml", text)
        .findings
        .iter()
        .map(|f| f.to_string())
        .collect()
}

/// The only finding of a text; panics with all of them when there are more.
fn only(text: &str) -> String {
    let all = findings(text);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.into_iter().next().unwrap()
}

fn with(extra: &str) -> String {
    format!("{FIVE_LINES}{extra}")
}

#[test]
fn five_lines_are_enough() {
    let checked = check_text("p.yaml", FIVE_LINES);
    assert_eq!(checked.findings, []);
    let c = checked.config.unwrap();
    assert_eq!(
        (
            c.routes.len(),
            c.routes[0].name.as_str(),
            c.routes[0].to.as_str()
        ),
        (1, "app", "app")
    );
    assert_eq!(c.routes[0].deadline.first_byte.unwrap().as_secs(), 60);
}

#[test]
fn an_access_log_is_off_by_default_and_says_what_is_wrong_with_it() {
    let config = |text: &str| check_text("p.yaml", text).config.unwrap();
    assert_eq!(config(FIVE_LINES).access_log, None);
    let log = config(&with("access_log: { to: /tmp/a.log, share: 1% }\n"));
    let log = log.access_log.unwrap();
    assert_eq!((log.share, log.query), (0.01, false));
    let slip = only(&with("access_log: { shared: 1% }\n"));
    assert!(slip.contains("did you mean `share`"), "{slip}");
    let unit = only(&with("access_log: { slow: 5 }\n"));
    assert!(unit.contains("config-unit"), "{unit}");
}

#[test]
fn instances_may_be_names() {
    let list = "instances: [127.0.0.1:3000, App.Internal.:7001]";
    let text = FIVE_LINES.replace("instances: [127.0.0.1:3000]", list);
    let config = check_text("p.yaml", &text).config.unwrap();
    let service = config.service("app").unwrap();
    assert_eq!(service.instances.len(), 1);
    assert_eq!(service.names[0].to_string(), "app.internal:7001");
    for bad in [
        "app.internal",
        "app..internal:1",
        "300.1.1.1:80",
        "app:0",
        "-:x",
        "a b:1",
    ] {
        let wrong = only(&FIVE_LINES.replace("127.0.0.1:3000", bad));
        assert!(wrong.contains("app.internal:8080"), "{bad}: {wrong}");
    }
}

#[test]
fn an_instance_may_have_a_zone_and_a_key_its_instance() {
    let of = |list: &str, rest: &str| {
        let instances = FIVE_LINES.replace("[127.0.0.1:3000]", list);
        format!("{instances}{rest}")
    };
    let zones =
        "[{ at: 127.0.0.1:3000, zone: a }, { at: app.internal:7001, zone: b }, 127.0.0.1:3001]";
    let balance = "    balance: { by: cookie:cart, method: maglev }\nzone: a\n";
    let checked = check_text("p.yaml", &of(zones, balance));
    assert_eq!(checked.findings, []);
    let config = checked.config.unwrap();
    let service = config.service("app").unwrap();
    assert_eq!((service.instances.len(), service.names.len()), (2, 1));
    let zone = |at: &str, zone: &str| (at.to_owned(), zone.to_owned());
    assert_eq!(
        service.zones,
        [zone("127.0.0.1:3000", "a"), zone("app.internal:7001", "b")]
    );
    let balance = service.balance.clone().unwrap();
    assert_eq!(balance.by, HashBy::Cookie("cart".into()));
    assert_eq!((balance.method, balance.bound), (HashMethod::Maglev, 1.25));
    for (list, rest, expected) in [
        (zones, "", "add `zone: a` at top level"),
        ("[{ zone: a }]", "", "`instance` needs `at`"),
        ("[{ at: 127.0.0.1:1, zon: a }]", "", "did you mean `zone`?"),
        (
            "[127.0.0.1:1]",
            "    balance: { by: header }\n",
            "`header:NAME`",
        ),
        (
            "[127.0.0.1:1]",
            "    balance: { method: ring }\n",
            "needs `by`",
        ),
        (
            "[127.0.0.1:1]",
            "    balance: { by: path, bound: 1 }\n",
            "between 1.05 and 100",
        ),
        (
            "[127.0.0.1:1]",
            "    health: { outliers: on }\n",
            "not one of the choices",
        ),
    ] {
        let wrong = only(&of(list, rest));
        assert!(wrong.contains(expected), "{rest}: {wrong}");
    }
}

#[test]
fn a_service_or_a_route_may_be_looked_at_for_sessions_in_memory() {
    let of = |service: &str, route: &str| {
        format!(
            "listen: 127.0.0.1:0\nservices: {{ a: {{ instances: ['127.0.0.1:1', '127.0.0.1:2']{service} }} }}\n\
             routes: {{ r: {{ match: /x, to: a{route} }} }}\n"
        )
    };
    let config = |text: String| check_text("p.yaml", &text).config.unwrap();
    let c = config(of(
        ", stateful: true",
        ", stateful: { share: 1%, headers: [X-Session] }",
    ));
    assert_eq!(c.services[0].stateful.as_ref().unwrap().share, 0.001);
    let own = c.routes[0].stateful.as_ref().unwrap();
    assert_eq!(
        (own.share, &own.headers[..]),
        (0.01, &["x-session".to_owned()][..])
    );
    let off = config(of(", stateful: true", ", stateful: false"));
    assert_eq!(off.routes[0].stateful.as_ref().unwrap().share, 0.0);
    for (route, says) in [
        (", stateful: { headers: [] }", "no header carries a session"),
        (", stateful: { probe: 1% }", "config-unknown-key"),
        (", stateful: true, writes: true", "may be asked again"),
    ] {
        let said = findings(&of("", route)).join("\n");
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn a_route_may_be_split_and_mirrored_between_services() {
    let two = "listen: 127.0.0.1:8080\nservices:\n  a: { instances: [127.0.0.1:1] }\n  b: { instances: [127.0.0.1:2] }\nroutes:\n";
    let route = |keys: &str| format!("{two}  r: {{ match: /x, to: a, {keys} }}\n");
    let good = route("split: { a: 95%, b: 5% }, mirror: { to: b, rate: 10/s, headers: [ETag] }");
    let checked = check_text("p.yaml", &good);
    assert_eq!(checked.findings, []);
    let config = checked.config.unwrap();
    let r = config.route("r").unwrap();
    assert_eq!(r.split, [("a".into(), 0.95), ("b".into(), 0.05)]);
    let mirror = r.mirror.clone().unwrap();
    assert_eq!(
        (mirror.rate, mirror.headers),
        (10.0, vec!["etag".to_owned()])
    );
    for (keys, expected) in [
        ("split: { a: 95%, b: 6% }", "101.0% together"),
        ("split: { b: 100% }", "`a` is not among those"),
        ("split: { a: 95%, c: 5% }", "no service is named `c`"),
        ("split: { a: 95, b: 5% }", "config-unit"),
        ("mirror: { to: c }", "no service is named `c`"),
        ("mirror: { to: a }", "go where its requests go"),
        ("mirror: { share: 5% }", "needs `to`"),
        (
            "mirror: { to: b, headers: ['a b'] }",
            "not the name of a header",
        ),
    ] {
        let all = findings(&route(keys)).join("\n");
        assert!(all.contains(expected), "{keys}: {all}");
    }
    let post = good.replace("match: /x", "match: POST /x");
    assert!(
        findings(&post)
            .join("")
            .contains("takes no request that may be copied")
    );
}

#[test]
fn grpc_health_needs_http2_and_one_way_to_ask() {
    let of = |keys: &str| with(&format!("    {keys}\n"));
    assert_eq!(
        findings(&of("health: { grpc: a.B }\n    protocol: h2")),
        Vec::<String>::new()
    );
    let plain = only(&of("health: { grpc: a.B }"));
    assert!(plain.contains("gRPC needs HTTP/2"), "{plain}");
    let both = only(&of("health: { grpc: a.B, path: /x }\n    protocol: h2"));
    assert!(both.contains("two ways to ask"), "{both}");
}

#[test]
fn tls_needs_certificates_and_an_address_of_its_own() {
    let pair = "certificates: [{ cert: a.pem, key: a.key }]";
    let tls = |keys: &str| with(&format!("tls: {{ {keys} }}\n"));
    let good = check_text(
        "p.yaml",
        &tls(&format!(
            "{pair}, min: 1.3, clients: {{ ca: ca.pem, mode: accept }}"
        )),
    );
    assert_eq!(good.findings, []);
    let section = good.config.unwrap().tls.unwrap();
    assert_eq!(section.certificates[0].key.to_str(), Some("a.key"));
    assert!(section.clients.unwrap().accept);
    assert!(only(&tls("min: 1.2")).contains("`tls` has no certificate"));
    assert!(only(&tls("certificates: []")).contains("`tls` has no certificate"));
    assert!(only(&tls("certificates: [{ cert: a.pem }]")).contains("needs `key`"));
    assert!(only(&tls(&format!("{pair}, min: 1.1"))).contains("`1.1` is not one of the choices"));
    assert!(only(&tls(&format!("{pair}, listen: 127.0.0.1:8080"))).contains("the same address"));
    let nobody = with(&format!(
        "identity: {{ certificate: true }}\ntls: {{ {pair} }}\n"
    ));
    assert!(only(&nobody).contains("clients are not asked for certificates"));
}

#[test]
fn a_full_file_is_read_without_a_word() {
    let text = include_str!("full.yaml");
    let checked = check_text("full.yaml", text);
    assert_eq!(checked.findings, []);
    let c = checked.config.unwrap();
    let product = c.route("product").unwrap();
    assert_eq!(product.matcher.to_string(), "GET /products/{id}");
    let latency = product.slo.as_ref().unwrap().latency.unwrap();
    assert_eq!((latency.within.as_millis(), latency.target), (250, 0.999));
    assert_eq!(c.service("shop").unwrap().price_per_hour, Some(0.05));
    assert_eq!(c.loads[0].requests.len(), 2);
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place_and_the_nearest_key() {
    let text = "listen: 127.0.0.1:8080\nconsle: 127.0.0.1:9400\nservices:\n  app:\n    instances: [127.0.0.1:3000]\n    price: 0.05\n\
                routes:\n  a:\n    match: get /x\n    to: ap\n    slo: { latency: 250, target: 99.9% }\n";
    let all = findings(text).join("\n");
    for expected in [
        "p.yaml:2:1: error[config-unknown-key]: `consle`",
        "did you mean `console`?",
        "p.yaml:6:12: error[config-unit]: `0.05` is not a price",
        "`get` is not a method",
        "`GET`",
        "no service is named `ap`",
        "did you mean `app`?",
        "p.yaml:11:21: error[config-unit]: `250` is not a duration",
    ] {
        assert!(all.contains(expected), "missing {expected:?} in\n{all}");
    }
}

#[test]
fn an_objective_is_of_latency_or_of_availability_or_of_both() {
    let with = |slo: &str| {
        format!(
            "listen: 127.0.0.1:1\nservices: {{ app: {{ instances: [127.0.0.1:2] }} }}\n\
             routes: {{ home: {{ match: GET /, to: app, slo: {slo} }} }}\n"
        )
    };
    let read = |slo: &str| {
        let checked = check_text("p.yaml", &with(slo));
        assert_eq!(checked.findings, [], "{slo}");
        let slo = checked.config.unwrap().routes[0].slo.clone().unwrap();
        (slo.latency.map(|l| l.target), slo.availability)
    };
    assert_eq!(read("{ availability: 99.9% }"), (None, Some(0.999)));
    assert_eq!(read("{ latency: 1s }"), (Some(0.99), None));
    let both = "{ latency: 1s, target: 98%, availability: 99.9% }";
    assert_eq!(read(both), (Some(0.98), Some(0.999)));
    let nothing = "`slo` promises nothing";
    let no_latency = "`slo` has no `latency`";
    for (slo, says) in [
        ("{}", nothing),
        ("", nothing),
        ("{ window: 7d }", nothing),
        ("{ target: 99% }", no_latency),
        ("{ target: 99%, availability: 99.9% }", no_latency),
        ("{ latency: 0s }", "0 is too short"),
        ("[latency]", "takes keys"),
        ("99.9%", "takes keys"),
    ] {
        let all = findings(&with(slo));
        let errors: Vec<_> = all.iter().filter(|f| f.contains("error[")).collect();
        assert!(
            errors.len() == 1 && errors[0].contains(says),
            "{slo}: {all:?}"
        );
    }
}

#[test]
fn combinations_that_cannot_work() {
    for (extra, expected) in [
        ("console: 127.0.0.1:8080\n", "config-same-address"),
        (
            "routes: { a: { match: POST /x, to: app, cache: { ttl: 1s } } }\n",
            "config-cache-unsafe",
        ),
        (
            "routes: { a: { match: '/x/{a}', to: app }, b: { match: '/x/{b}', to: app } }\n",
            "config-same-match",
        ),
        (
            "routes: { a: { match: /x, to: app, slo: { latency: 1s, target: 100% } } }\n",
            "config-value",
        ),
        (
            "routes: { a: { match: /x, to: app, retry: { attempts: 0 } } }\n",
            "config-value",
        ),
        (
            "routes: { a: { match: POST /x, to: app, hedge: true } }\n",
            "config-hedge",
        ),
        (
            "routes: { a: { match: /x, to: app, hedge: true, writes: true } }\n",
            "config-hedge",
        ),
        (
            "routes: { a: { match: /x, to: app, writes: false } }\n",
            "config-consistency",
        ),
        (
            "routes: { a: { match: /x, to: app, async: { attempts: 0 } } }\n",
            "config-value",
        ),
        (
            "routes: { a: { match: /x, to: app, async: { order_by: 'a b' } } }\n",
            "config-value",
        ),
        (
            "routes: { a: { match: /x, to: app, async: { on_dead: block } } }\n",
            "config-on-dead",
        ),
        (
            "routes: { a: { match: /x, to: app, async: { body: 1GiB } } }\n",
            "config-value",
        ),
        (
            "routes: { a: { match: /x, to: app, async: { when: sometimes } } }\n",
            "config-value",
        ),
        (
            "routes: { a: { match: /x, to: app, hedge: { extra: 60% } } }\n",
            "config-hedge",
        ),
        (
            "routes: { a: { match: /x, to: app, hedge: { after: p100 } } }\n",
            "config-value",
        ),
        (
            "routes: { a: { match: /x, to: app, hedge: { after: 0ms } } }\n",
            "config-value",
        ),
        (
            "routes: { a: { match: /x, to: app, hedge: maybe } }\n",
            "config-value",
        ),
        (
            "routes: { a: { match: /x, to: app, cache_control: { browsers: max-age=1m } } }\n",
            "config-value",
        ),
        (
            "routes: { a: { match: /x, to: app, cache: { heuristic: 10 } } }\n",
            "config-unit",
        ),
        (
            "routes: { a: { match: /x, to: app, rate: { limit: 0/s } } }\n",
            "config-value",
        ),
        ("resources: { pool.app: { capacity: 0 } }\n", "config-value"),
        (
            "resources: { db.app: { within: pool.app } }\n",
            "config-unknown-name",
        ),
        (
            "routes: { \"a b\": { match: /x, to: app } }\n",
            "config-name",
        ),
        ("routes: { ..: { match: /x, to: app } }\n", "config-name"),
        ("listen: 1.2.3.4:5\n", "config-duplicate-key"),
        ("data_dir: &x y\n", "config-anchor"),
        ("routes:\n\ta: 1\n", "config-syntax"),
    ] {
        let got = only_code(&with(extra));
        assert_eq!(got, expected, "{extra}: {:#?}", findings(&with(extra)));
    }
    assert!(
        only("listen: 127.0.0.1:1\nservices: { a: { instances: [] } }\n")
            .contains("config-no-instance")
    );
    let two = "listen: 127.0.0.1:1\nservices: { a: { instances: [127.0.0.1:2] }, b: { instances: [127.0.0.1:2] } }\nroutes: { r: { match: /, to: a } }\n";
    assert!(only(two).contains("is an instance of `a` and of `b`"));
    let looped = "listen: 127.0.0.1:2\nservices: { a: { instances: [127.0.0.1:2] } }\n";
    assert!(only(looped).contains("Plimsoll itself"));
}

fn only_code(text: &str) -> String {
    check_text("p.yaml", text)
        .findings
        .first()
        .map(|f| f.code.clone())
        .unwrap_or_default()
}

#[test]
fn yaml_has_no_second_meanings() {
    let text = "listen: 127.0.0.1:8080\ndata_dir: on\nservices:\n  no:\n    owner: 1:30\n    instances: [127.0.0.1:3000]\n";
    let c = check_text("p.yaml", text).config.unwrap();
    assert_eq!(c.data_dir.to_str(), Some("on"));
    assert_eq!(c.services[0].name, "no");
    assert_eq!(c.services[0].owner.as_deref(), Some("1:30"));
    let bare =
        findings("listen: [::1]:80\nservices: { a: { instances: [127.0.0.1:1] } }\n").join("\n");
    assert!(bare.contains("quote"), "{bare}");
}

#[test]
fn missing_keys_say_what_to_add() {
    let all = findings("console: 127.0.0.1:9400\n").join("\n");
    assert!(
        all.contains("needs `listen`") && all.contains("add `listen: 0.0.0.0:8080`"),
        "{all}"
    );
    assert!(all.contains("needs `services`"), "{all}");
}

#[test]
fn the_report_shows_the_line_and_a_caret() {
    let text = with("threads: many\n");
    let checked = check_text("p.yaml", &text);
    let shown = config::report::render(&checked.findings, &checked.document, false);
    assert!(
        shown.contains("5 | threads: many\n  |          ^"),
        "{shown}"
    );
    assert!(shown.contains("1 error, 0 warnings"), "{shown}");
}

#[test]
fn routes_come_out_most_specific_first() {
    let text = with(
        "routes:\n  rest: { match: '/{p...}', to: app }\n  one: { match: '/a/{x}', to: app }\n  lit: { match: /a/b, to: app }\n  \
         get: { match: GET /a/b, to: app }\n  host: { match: { host: x.y, path: '/{p...}' }, to: app }\n",
    );
    let c = check_text("p.yaml", &text).config.unwrap();
    let order: Vec<_> = c.routes.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(order, ["get", "lit", "one", "host", "rest"]);
}

#[test]
fn a_fault_has_an_end_and_does_one_thing() {
    let route = |fault: &str| {
        with(&format!(
            "routes:\n  a: {{ match: /, to: app, fault: {{ {fault} }} }}\n"
        ))
    };
    let until = "until: 2030-01-31T18:00:00Z";
    let good = check_text(
        "p.yaml",
        &route(&format!("{until}, delay: 1s, abort: 503, share: 5%")),
    );
    assert_eq!(good.findings, []);
    let fault = good.config.unwrap().routes[0].fault.clone().unwrap();
    assert_eq!(
        (fault.until, fault.abort, fault.share),
        (1_896_112_800, Some(503), 0.05)
    );
    for (keys, says) in [
        ("abort: 503", "`fault` needs `until`"),
        (
            "until: tomorrow, abort: 503",
            "`tomorrow` is not a point in time",
        ),
        (until, "a fault that does nothing"),
        (
            &format!("{until}, abort: 503, reset: true"),
            "in one way only",
        ),
        (
            &format!("{until}, cut: 1KiB, reset: true"),
            "in one way only",
        ),
        (&format!("{until}, abort: 200"), "from 400 to 599"),
        (&format!("{until}, rate: 10"), "bytes per second"),
        (
            &format!("{until}, reset: true, instance: 127.0.0.1:9"),
            "127.0.0.1:9 is not an instance of `app`",
        ),
    ] {
        let all = findings(&route(keys)).join("\n");
        assert!(all.contains(says), "{keys}: {all}");
    }
}

#[test]
fn gates_that_cannot_work_are_refused() {
    let service = |gate: &str| {
        format!(
            "listen: 127.0.0.1:8080\nservices:\n  app: {{ instances: [127.0.0.1:3000], {gate} }}\n"
        )
    };
    let route = |gate: &str| with(&format!("routes:\n  a: {{ match: /, to: app, {gate} }}\n"));
    for (text, says) in [
        (
            service("bulkhead: { weights: { a: 3 } }"),
            "no route is named `a`",
        ),
        (
            service("bulkhead: { weights: { app: 0 } }"),
            "from 1 to 1000",
        ),
        (
            service("breaker: { threshold: 0% }"),
            "0% would never refuse anything",
        ),
        (
            service("breaker: { most: 100% }"),
            "at most 99% can be refused",
        ),
        (service("breaker: { at_least: 3 }"), "from 10 to"),
        (route("degrade: { last_good: 1h }"), "`a` has no cache"),
        (
            route("degrade: { static: { status: 200 } }"),
            "`static` needs `body`",
        ),
        (route("compress: { codings: [] }"), "no coding is offered"),
        (
            route("compress: { types: [json] }"),
            "`json` is not a content type",
        ),
        (
            route("compress: { codings: [deflate] }"),
            "not one of the choices",
        ),
    ] {
        let all = findings(&text).join("\n");
        assert!(all.contains(says), "{text}: {all}");
    }
    let identity = with("identity: { user: 'a b' }\n");
    assert!(only(&identity).contains("`a b` is not the name of a header"));
    assert_eq!(
        findings(&service(
            "bulkhead: { weights: { app: 3 } }, shed: {}, breaker: {}"
        )),
        [""; 0]
    );
}

#[test]
fn gates_that_only_count_when_left_out_can_be_switched_off() {
    let read = |service: &str, route: &str| {
        let text = format!(
            "listen: 127.0.0.1:1\nservices:\n  app: {{ instances: [127.0.0.1:2]{service} }}\nroutes:\n  all: {{ match: '/{{rest...}}', to: app{route} }}\n"
        );
        let all = check_text("p.yaml", &text);
        let said: Vec<String> = all.findings.iter().map(|f| f.to_string()).collect();
        (all.config, said.join("\n"))
    };
    let gates = |service: &str, route: &str| {
        let c = read(service, route).0.expect("a config");
        let s = &c.services[0];
        let observes = [
            s.breaker.as_ref().map(|b| b.observe),
            s.shed.as_ref().map(|s| s.observe),
        ];
        (observes, c.routes[0].compress.as_ref().map(|c| c.when))
    };
    let observe = Some(CompressWhen::Observe);
    assert_eq!(gates("", ""), ([Some(true); 2], observe));
    assert_eq!(
        gates(", breaker: {}, shed: {}", ", compress: {}"),
        ([Some(false); 2], Some(CompressWhen::Always))
    );
    assert_eq!(
        gates(", breaker: off, shed: off", ", compress: off"),
        ([None; 2], None)
    );
    let slip = read(", breaker: of", "").1;
    assert!(
        slip.contains("`breaker` is neither `off` nor a section"),
        "{slip}"
    );
}

#[test]
fn networks_are_checked_and_every_address_is_warned_of() {
    let slip = only(&with("proxy_protocol: { from: [10.1.0.0/8] }\n"));
    assert!(slip.contains("the network is `10.0.0.0/8`"), "{slip}");
    let all = check_text("p.yaml", &with("proxy_protocol: { from: 0.0.0.0/0 }\n"));
    assert!(all.config.is_some(), "{:?}", all.findings);
    let warned = &all.findings[0];
    assert_eq!(warned.severity, Severity::Warning);
    assert!(
        warned.to_string().contains("can say to be anybody"),
        "{warned}"
    );
    let good = check_text(
        "p.yaml",
        &with("proxy_protocol: { from: [10.0.0.0/8, \"::1\"] }\n"),
    );
    assert_eq!(
        (
            good.findings,
            good.config.unwrap().proxy_protocol.unwrap().from.len()
        ),
        (vec![], 2)
    );
}

#[test]
fn unix_sockets_are_addresses_where_they_can_be() {
    let text = "listen: unix:/run/front.sock\nsocket_mode: \"666\"\nproxy_protocol: { from: [unix] }\nservices:\n  app:\n    instances: [unix:/run/app.sock, 127.0.0.1:3000]\n";
    let checked = check_text("p.yaml", text);
    assert_eq!(checked.findings, []);
    let c = checked.config.unwrap();
    assert_eq!(c.listen.to_string(), "unix:/run/front.sock");
    assert_eq!(
        (c.socket_mode, c.proxy_protocol.unwrap().unix),
        (0o666, true)
    );
    let app = &c.services[0];
    assert_eq!((app.sockets.len(), app.instances.len()), (1, 1));
    for (more, why) in [
        ("    tls: { ca: x.pem }\n", "not spoken to a Unix socket"),
        (
            "tls: { certificates: [{ cert: a, key: b }] }\n",
            "not spoken on a Unix socket",
        ),
    ] {
        let said = only(&format!("{text}{more}"));
        assert!(said.contains(why), "{said}");
    }
    for (from, to, why) in [
        ("/run/app.sock", "/run/front.sock", "is Plimsoll itself"),
        (
            "unix:/run/app.sock",
            "unix:app.sock",
            "write its whole path",
        ),
        ("\"666\"", "\"888\"", "permissions"),
        (
            "127.0.0.1:3000",
            "unix:/run/app.sock",
            "is an instance of `app` and of `app`",
        ),
    ] {
        let said = only(&text.replace(from, to));
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_certificate_may_be_got_instead_of_given() {
    let acme = |keys: &str| with(&format!("tls: {{ acme: {{ {keys} }} }}\n"));
    let got = check_text(
        "p.yaml",
        &acme("names: [Shop.example], contact: [\"mailto:ops@shop.example\"]"),
    );
    assert_eq!(got.findings, []);
    let acme_section = got.config.unwrap().tls.unwrap().acme.unwrap();
    assert_eq!(
        (&*acme_section.names[0], &*acme_section.contact[0]),
        ("shop.example", "ops@shop.example")
    );
    for (keys, why) in [
        ("directory: \"https://x/\"", "needs `names`"),
        ("names: []", "no name to get"),
        ("names: [\"*.example\"]", "without a `*`"),
        ("names: [192.0.2.7]", "no addresses"),
        ("names: [a.example], contact: [ops]", "not a mail address"),
        (
            "names: [a.example], directory: \"http://x/\"",
            "does not begin with `https://`",
        ),
        (
            "names: [a.example], challenge: http-01",
            "nothing listens without TLS",
        ),
        (
            "names: [a.example], challenge: dns-01",
            "not one of the choices",
        ),
    ] {
        let said = findings(&acme(keys));
        assert!(said.iter().any(|f| f.contains(why)), "{keys}: {said:#?}");
    }
}

#[test]
fn a_proxy_header_and_a_connection_of_many_clients_exclude_each_other() {
    let told = "listen: 127.0.0.1:8080\nservices:\n  app:\n    instances: [127.0.0.1:3000]\n    proxy_protocol: v2\n";
    assert!(check_text("p.yaml", told).config.unwrap().services[0].proxy_protocol);
    let both = only(&format!("{told}    protocol: h2\n"));
    assert!(both.contains("requests of many clients"), "{both}");
}

#[test]
fn the_schema_has_every_key_of_the_reference() {
    let schema = config::schema::schema().to_string();
    let page = config::schema::reference();
    let keys: Vec<_> = page
        .lines()
        .filter_map(|l| l.strip_prefix("| `")?.split('`').next())
        .collect();
    assert!(keys.len() > 60, "{}", keys.len());
    for key in keys {
        assert!(schema.contains(&format!("\"{key}\":")), "{key}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_give_findings_and_never_a_panic(text in "\\PC{0,200}") {
        check_text("p.yaml", &text);
    }

    #[test]
    fn a_damaged_file_gives_findings_and_never_a_panic(cut in 0usize..2000, insert in "[\\[\\]{}:,&*#!|> \\t\\n'\"%-]{0,6}") {
        let text = include_str!("full.yaml");
        let at = (0..=cut.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
        check_text("p.yaml", &format!("{}{insert}{}", &text[..at], &text[at..]));
    }
}

#[test]
fn an_exporter_names_series_and_says_where_they_are() {
    let resource = |keys: &str| {
        with(&format!(
            "resources: {{ cpu.db: {{ prometheus: {{ {keys} }} }} }}\n"
        ))
    };
    let good =
        resource(r#"url: "http://127.0.0.1:9187/metrics", busy: 'a_total{x="y"}', scale: 0.001"#);
    let config = check_text("p.yaml", &good).config.unwrap();
    let scrape = config.resources[0].prometheus.as_ref().unwrap();
    assert_eq!(scrape.busy.as_ref().unwrap().labels.len(), 1);
    assert!(only(&resource("url: http://a/m")).contains("neither `busy` nor `level`"));
    assert!(only(&resource("url: https://a/m, busy: a")).contains("https is not read"));
    assert!(only(&resource("url: http://a/m, busy: rate(a)")).contains("does not name series"));
    assert!(only(&resource("busy: a")).contains("needs `url`"));
}

#[test]
fn the_reference_page_is_current() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.md"))
            .unwrap();
    assert_eq!(
        page,
        config::schema::reference(),
        "run `plimsoll schema --markdown > docs/config.md`"
    );
}

#[test]
fn numbers_of_the_business_are_read_and_bounded() {
    use config::sections::{MOST_OF_ROUTE, Term};
    let route = |business: &str| {
        with(&format!(
            "routes:\n  buy: {{ match: POST /buy, to: app, business: {business} }}\n"
        ))
    };
    let text = route(
        "{ orders: { status: 201 }, revenue: { header: X-Total, unit: usd }, items: { json: /items/0/qty, status: [2xx, 404], max_body: 8KiB } }",
    );
    let checked = check_text("p.yaml", &text);
    assert_eq!(checked.findings, []);
    let config = checked.config.unwrap();
    let all = &config.routes[0].business;
    let orders = all.iter().find(|m| m.name == "orders").unwrap();
    assert!(orders.wants(201) && !orders.wants(200) && orders.term == Term::Answer);
    let revenue = all.iter().find(|m| m.name == "revenue").unwrap();
    assert_eq!(revenue.term, Term::Header("x-total".into()));
    assert!(
        revenue.wants(204) && !revenue.wants(302),
        "2xx when left out"
    );
    let items = all.iter().find(|m| m.name == "items").unwrap();
    assert!(items.wants(404) && items.max_body == 8192);
    for (business, said) in [
        ("{ a: { json: items } }", "JSON pointer"),
        ("{ a: { json: /x, header: X } }", "two places"),
        ("{ a: { status: 6xx } }", "no status"),
        ("{ a: { status: 99 } }", "no status"),
        ("{ a: { header: 'x y' } }", "not the name of a header"),
        ("{ a: { unit: 'U$' } }", "cannot be a unit"),
        ("{ a: { max_body: 1GiB } }", "must lie between"),
        ("{ a: { jsn: /x } }", "did you mean `json`"),
    ] {
        let said_of = only(&route(business));
        assert!(said_of.contains(said), "{business}: {said_of}");
    }
    let many = |n: usize| {
        (0..n)
            .map(|i| format!("m{i}: {{}}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let too_many = only(&route(&format!("{{ {} }}", many(MOST_OF_ROUTE + 1))));
    assert!(too_many.contains("at most 8"), "{too_many}");
    let routes: String = (0..13)
        .map(|i| {
            format!(
                "  r{i}: {{ match: GET /r{i}, to: app, business: {{ {} }} }}\n",
                many(8)
            )
        })
        .collect();
    let all = only(&with(&format!("routes:\n{routes}")));
    assert!(
        all.contains("104 numbers of the business are too many"),
        "{all}"
    );
}

#[test]
fn pages_open_incidents_where_there_is_a_catalog() {
    use config::sections::OpenFrom;
    let config = |extra: &str| check_text("p.yaml", &with(extra)).config.unwrap();
    let opens = |extra: &str| {
        let c = config(extra);
        c.incidents.opens(c.catalog.is_some())
    };
    assert_eq!(opens(""), OpenFrom::None);
    assert_eq!(opens("catalog: ./c\n"), OpenFrom::Page);
    assert_eq!(
        opens("catalog: ./c\nincidents: { from: none }\n"),
        OpenFrom::None
    );
    assert_eq!(opens("incidents: { from: ticket }\n"), OpenFrom::Ticket);
    let never = config("incidents: { resolve_after: none }\n").incidents;
    assert_eq!(never.resolve_after, None);
    let slip = only(&with("incidents: { from: pages }\n"));
    assert!(slip.contains("did you mean `page`"), "{slip}");
}

#[test]
fn topics_have_subscriptions_that_get_events_in_one_way() {
    use config::sections::{Filter, Receiver};
    let state = "state: { listen: 127.0.0.1:9402, token: { env: T } }\n";
    let of = |subscription: &str| {
        with(&format!(
            "{state}topics: {{ orders: {{ subscriptions: {{ s: {subscription} }} }} }}\n"
        ))
    };
    let good = |subscription: &str| {
        let checked = check_text("p.yaml", &of(subscription));
        assert_eq!(checked.findings, [], "{subscription}");
        checked.config.unwrap().topics[0].subscriptions[0].clone()
    };
    let pushed = good(
        "{ to: app, path: /hooks, filter: { exact: { type: a }, not: { suffix: { id: x } } } }",
    );
    assert!(matches!(&pushed.to, Receiver::Service { path, .. } if path == "/hooks"));
    assert!(matches!(&pushed.filter, Some(Filter::All(all)) if all.len() == 2));
    assert_eq!(pushed.lane("orders"), "topics/orders/s");
    let hook = good("{ webhook: { url: 'https://a.example/h', secrets: [{ env: S }] } }");
    let Receiver::Webhook(endpoint) = &hook.to else {
        panic!("no webhook")
    };
    assert_eq!((hook.attempts, endpoint.retry[2].as_secs()), (8, 300));
    assert!(
        !format!("{hook:?}").contains("a.example"),
        "an address may be a secret"
    );
    let said = |subscription: &str, part: &str| {
        let all = findings(&of(subscription)).join("\n");
        assert!(all.contains(part), "{subscription}: {all}");
    };
    said("{}", "in one way");
    said("{ pull: true, sse: true }", "in one way");
    said("{ to: nobody }", "no service is named `nobody`");
    said("{ to: app, path: hooks }", "no path of a request");
    said(
        "{ pull: true, filter: { exact: { Type: a } } }",
        "no attribute of a CloudEvent",
    );
    said("{ pull: true, filter: { some: [] } }", "unknown");
    let secret = "{ webhook: { url: 'https://a.example/h', secrets: ['whsec_MfKQ9r8G'] } }";
    said(secret, "stands in the config itself");
    assert!(!findings(&of(secret)).join("\n").contains("MfKQ"));
    said("{ webhook: { url: 'https://a.example/h' } }", "secrets");
    let nowhere = with("topics: { orders: { subscriptions: { s: { pull: true } } } }\n");
    assert!(only(&nowhere).contains("nowhere to publish"));
}

#[test]
fn a_route_publishes_to_a_topic_what_its_requests_say() {
    let of = |route: &str| {
        with(&format!(
            "state: {{ listen: 127.0.0.1:9402, token: {{ env: T }} }}\ntopics: {{ orders: {{ subscriptions: {{ s: {{ pull: true }} }} }} }}\n\
             routes:\n  a: {{ match: 'POST /orders/{{id}}', to: app, {route} }}\n"
        ))
    };
    let checked = check_text("p.yaml", &of("publish: orders"));
    assert_eq!(checked.findings, []);
    let publish = checked.config.unwrap().routes[0].publish.clone().unwrap();
    assert_eq!(publish, config::sections::Publish::to("orders"));
    let named = "publish: { topic: orders, type: 'order.{method}', subject: 'o/{id}/{header.x-a}', cloudevents: false }";
    assert_eq!(findings(&of(named)), Vec::<String>::new());
    for (route, says) in [
        ("publish: order", "did you mean `orders`"),
        (
            "publish: { topic: orders, subject: '{ident}' }",
            "no part of the request is named `ident`",
        ),
        ("publish: { topic: orders, type: 'a{' }", "not closed"),
        ("publish: { type: a }", "topic"),
        ("publish: orders, async: true", "`publish` and `async`"),
        (
            "publish: orders, idempotency: true",
            "`publish` and `idempotency`",
        ),
    ] {
        let all = findings(&of(route)).join("\n");
        assert!(all.contains(says), "{route}: {all}");
    }
}

#[test]
fn streams_and_calendars_name_what_is_there() {
    use config::sections::Target;
    let view = "projections: { view: { to: 'http://127.0.0.1:1/e', stream: s } }\n";
    let route = |keys: &str| {
        with(&format!(
            "{view}routes:\n  a: {{ match: /, to: app, {keys} }}\n"
        ))
    };
    let awaited = |keys: &str| {
        let config = check_text("p.yaml", &route(keys)).config.unwrap();
        config.routes[0].projection.clone().unwrap()
    };
    assert_eq!(awaited("projection: view").max_wait.as_secs(), 2);
    assert!(awaited("projection: { of: view, stale: pass }").pass);
    let cron = |keys: &str| {
        with(&format!(
            "routes:\n  a: {{ match: /, to: app, async: true }}\n  b: {{ match: /b, to: app }}\ncron: {{ c: {{ {keys} }} }}\n"
        ))
    };
    let outbox = |keys: &str| {
        with(&format!(
            "outbox: {{ o: {{ postgres: {{ env: U }}, {keys} }} }}\n"
        ))
    };
    let jobs = with(
        "routes: { mails: { match: 'POST /send', to: app, async: true } }\n\
         outbox: { o: { postgres: { env: U }, to: job mails, path: /send } }\n",
    );
    let o = check_text("p.yaml", &jobs)
        .config
        .unwrap()
        .outboxes
        .remove(0);
    assert_eq!(
        (o.to, o.path.as_str()),
        (Target::Job("mails".into()), "/send")
    );
    for (text, says) in [
        (route("projection: veiw"), "did you mean `view`"),
        (
            route("projection: view, cache: { ttl: 1s }"),
            "`projection` and `cache`",
        ),
        (
            route("projection: { of: view, max_wait: 2min }"),
            "longer than 1min",
        ),
        (outbox("to: orders"), "write it like `stream orders`"),
        (outbox("to: job"), "write it like `stream orders`"),
        (outbox("to: job orders"), "route with `async`"),
        (
            jobs.replace("path: /send", "path: /sent"),
            "`mails` does not match POST /sent",
        ),
        (jobs.replace(", path: /send", ""), "does not match POST /"),
        (outbox("to: stream s, path: x"), "no path of a request"),
        (
            outbox("to: stream s, table: a.b.c"),
            "not the name of a table",
        ),
        (
            cron("schedule: '* * *', route: a, path: /"),
            "is no schedule",
        ),
        (
            cron("schedule: '61 * * * *', route: a, path: /"),
            "is no schedule",
        ),
        (
            cron("schedule: '* * * * *', timezone: Nowhere/None, route: a, path: /"),
            "is no schedule",
        ),
        (
            cron("schedule: '* * * * *', route: b, path: /"),
            "route with `async`",
        ),
        (
            cron("schedule: '* * * * *', route: a, path: x"),
            "is not a path",
        ),
        (
            format!("engines: {{ jobs: durable }}\n{jobs}"),
            "`engines.durable` names no NATS",
        ),
        (
            cron("schedule: '* * * * *', route: a, path: /, headers: { connection: close }"),
            "not all of these are headers",
        ),
        (
            cron("schedule: '* * * * *', route: a, path: /x"),
            "`a` does not match POST /x: /",
        ),
        (
            cron("schedule: '* * * * *', route: a, path: /").replace("match: /,", "match: GET /,"),
            "`a` does not match POST /: GET /",
        ),
        (
            cron("schedule: '* * * * *', route: a, path: /")
                .replace("match: /,", "match: { path: /, host: shop.example },"),
            "a host that it asks for is the header `Host`",
        ),
        (
            cron("schedule: '* * * * *', route: a, path: /b")
                .replace("match: /,", "match: '/{all...}',"),
            "`b` takes POST /b before `a` does: /b",
        ),
    ] {
        let all = findings(&text).join("\n");
        assert!(all.contains(says), "{text}: {all}");
    }
    let good = cron(
        "schedule: '*/5 * * * 1-5', timezone: Europe/Berlin, route: a, path: /?x=1, body: '{}'",
    );
    assert_eq!(findings(&good), [""; 0]);
    let config = check_text("p.yaml", &good).config.unwrap();
    // A Saturday: the next is at midnight to Monday, by the clock of summer that has begun meanwhile.
    let saturday = 1_774_656_000_000;
    assert_eq!(config.crons[0].after(saturday), Ok(1_774_821_600_000));
}
