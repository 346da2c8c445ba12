//! Agents that behave, restart, fall silent, jump, and pretend.

use super::*;
use crate::message::{Counter, Reading};

const GATEWAY: u64 = 77;

fn at(s: f64) -> Nanos {
    Nanos::from_secs_f64(s)
}

fn instance(n: u8) -> Instance {
    Instance {
        service: "shop".into(),
        address: format!("10.0.0.{n}:7001"),
    }
}

fn table() -> Table {
    let mut t = Table::new(GATEWAY);
    t.known(
        (1..=3)
            .map(|n| (instance(n), InstanceIx(n.into())))
            .collect(),
    );
    t
}

fn counter(resource: &str, instance: Option<Instance>, busy: f64) -> Counter {
    Counter {
        resource: resource.into(),
        instance,
        busy,
        epoch: 1,
        capacity: Some(2.0),
        ..Counter::default()
    }
}

/// What agent `a<n>`, which sees instance `n`, says at a second: half a core since the start.
fn said(n: u8, run: u64, second: u64) -> Message {
    let busy = second as f64 / 2.0;
    Message {
        agent: format!("a{n}"),
        run,
        seq: second,
        gateway: GATEWAY,
        off_by: 1_000_000,
        reading: Some(Reading {
            at: at(second as f64 + 0.002),
            seen: vec![instance(n)],
            counters: vec![
                counter("cpu.shop", Some(instance(n)), busy),
                counter("disk.host.vda", None, busy / 2.0),
            ],
            ..Reading::default()
        }),
    }
}

fn take(t: &mut Table, m: Message, now: f64) -> Result<Option<String>, Refused> {
    let peer = format!("peer-{}", m.agent);
    t.take(&peer, m, at(now))
}

fn texts(t: &Table, now: f64) -> String {
    let notes = t.notes(at(now));
    let line = |n: &Note| {
        format!(
            "{}{}: {}\n",
            if n.blind { "blind " } else { "" },
            n.about,
            n.text
        )
    };
    notes.iter().map(line).collect()
}

fn busy(s: &Second) -> Vec<(&str, u16, f64)> {
    let rounded = |v: f64| (v * 1e3).round() / 1e3;
    let cells = s.cells.iter();
    cells
        .map(|(r, i, p)| (r.as_str(), i.0, rounded(p.busy)))
        .collect()
}

#[test]
fn what_an_agent_says_lies_in_its_second() {
    let mut t = table();
    for second in 100..105 {
        assert_eq!(
            take(&mut t, said(1, 5, second), second as f64 + 0.01),
            Ok(None)
        );
    }
    assert_eq!(
        busy(&t.close(102)),
        [("cpu.shop", 1, 0.5), ("disk.host.a1.vda", u16::MAX, 0.25)]
    );
    assert!(t.close(102).cells.is_empty(), "it is given once");
    assert_eq!(texts(&t, 105.0), "");
    assert_eq!(t.status(at(105.0))[0]["resources"][1], "disk.host.a1.vda");
}

#[test]
fn a_silent_agent_is_missed_and_nothing_is_made_up_for_it() {
    let mut t = table();
    let mut closed = BTreeMap::new();
    for second in 100..200 {
        for n in [1, 2].into_iter().filter(|n| *n == 1 || second < 110) {
            take(&mut t, said(n, 5, second), second as f64 + 0.01).unwrap();
        }
        closed.insert(second - 11, t.close(second - 11));
    }
    assert_eq!(busy(&closed[&108]).len(), 4);
    let missed = &closed[&120];
    assert!(missed.withheld.contains("cpu.shop"));
    assert_eq!(busy(missed), [("disk.host.a1.vda", u16::MAX, 0.25)]);
    let said = texts(&t, 120.0);
    assert!(
        said.contains("blind a2: no word for 10 s: what serves at 10.0.0.2:7001 is not seen"),
        "{said}"
    );
    // After a minute the other one speaks for the service.
    assert_eq!(busy(&closed[&180])[0], ("cpu.shop", 1, 0.5));
    assert!(texts(&t, 199.5).contains("blind a2: no word for 90 s"));
}

#[test]
fn an_agent_that_has_just_come_is_not_missed_before() {
    let mut t = table();
    for second in 100..112 {
        take(&mut t, said(1, 5, second), second as f64 + 0.01).unwrap();
        if second >= 108 {
            take(&mut t, said(2, 5, second), second as f64 + 0.01).unwrap();
        }
    }
    assert_eq!(busy(&t.close(105))[0], ("cpu.shop", 1, 0.5));
    assert_eq!(busy(&t.close(109)).len(), 4);
}

#[test]
fn one_name_is_one_agent_and_a_restart_is_let_in() {
    let mut t = table();
    take(&mut t, said(1, 5, 100), 100.0).unwrap();
    let twin = take(&mut t, said(1, 6, 101), 101.0).unwrap_err();
    assert_eq!(twin, Refused::Twin("peer-a1".into()));
    assert!(texts(&t, 102.0).contains("was not let in: an agent of this name"));
    // Its sums begin anew, and its old ones are not compared with them.
    assert_eq!(take(&mut t, said(1, 6, 105), 105.0), Ok(None));
    take(&mut t, said(1, 6, 106), 106.0).unwrap();
    assert!(t.close(104).withheld.contains("cpu.shop"), "nobody saw it");
    assert_eq!(busy(&t.close(105))[0], ("cpu.shop", 1, 0.5));
}

#[test]
fn two_agents_that_see_one_instance_count_once() {
    let mut t = table();
    for second in 100..103 {
        for n in [1, 2] {
            let mut m = said(1, 5, second);
            m.agent = format!("a{n}");
            take(&mut t, m, second as f64 + 0.01).unwrap();
        }
    }
    let cpu = |s: &Second| s.cells.iter().filter(|c| c.0 == "cpu.shop").count();
    assert_eq!(cpu(&t.close(101)), 1);
    assert!(texts(&t, 103.0).contains("a2: 10.0.0.1:7001 is seen by `a1` too"));
}

#[test]
fn readings_that_cannot_be_are_not_used_and_say_why() {
    let mut t = table();
    let mut why = |m: Message, now: f64| take(&mut t, m, now).unwrap().unwrap();
    let with = |change: fn(&mut Message)| {
        let mut m = said(1, 5, 100);
        change(&mut m);
        m
    };
    assert!(why(with(|m| m.gateway = 1), 100.0).contains("earlier gateway"));
    let ahead = with(|m| (m.seq, m.reading.as_mut().unwrap().at) = (101, at(103.0)));
    assert!(why(ahead, 100.0).contains("3.0 s ahead"));
    let late = with(|m| m.seq = 102);
    assert!(why(late, 120.0).contains("late"));
    let good = with(|m| m.seq = 103);
    assert_eq!(take(&mut t, good.clone(), 100.1), Ok(None));
    assert!(
        take(&mut t, good, 100.2)
            .unwrap()
            .unwrap()
            .contains("twice")
    );
    let same_time = with(|m| m.seq = 104);
    assert!(
        take(&mut t, same_time, 100.3)
            .unwrap()
            .unwrap()
            .contains("went backwards")
    );
    assert!(texts(&t, 101.0).contains("a reading was not used"));
    assert_eq!(t.status(at(101.0))[0]["unused"], 5);
}

#[test]
fn agents_tell_of_their_own_things_only() {
    let mut t = table();
    for second in 100..103 {
        let mut m = said(1, 5, second);
        let counters = &mut m.reading.as_mut().unwrap().counters;
        *counters = [
            "db.orders",
            "cpu.host",
            "disk.host.",
            "net.host.a b",
            "lock.shop.stock",
        ]
        .map(|r| counter(r, None, 1.0))
        .into();
        counters.push(counter("cpu.other", Some(instance(1)), 1.0));
        counters.push(counter("cpu.shop", Some(instance(9)), 1.0));
        // It is not in `seen`, so nobody speaks for it.
        counters.push(counter("cpu.shop", Some(instance(2)), 1.0));
        take(&mut t, m, second as f64 + 0.01).unwrap();
    }
    assert_eq!(t.close(101).cells, []);
}

#[test]
fn agents_are_bounded_and_trouble_is_told() {
    let mut t = table();
    for n in 0..AGENTS {
        let mut m = said(1, 5, 100);
        m.agent = format!("n{n}");
        take(&mut t, m, 100.0).unwrap();
    }
    assert_eq!(take(&mut t, said(1, 5, 100), 100.0), Err(Refused::Full));
    for n in 0..100 {
        t.refuse(&format!("10.1.1.{n}"), "its token is wrong", at(100.0));
    }
    let told = texts(&t, 101.0);
    assert_eq!(told.matches("its token is wrong").count(), REFUSALS);
    let mut m = said(1, 5, 101);
    (m.agent, m.off_by) = ("n1".into(), 20_000_000);
    take(&mut t, m, 101.0).unwrap();
    assert!(texts(&t, 101.1).contains("n1: its clock is known to 20 ms only"));
    // After an hour there is room again.
    assert_eq!(take(&mut t, said(1, 5, 4000), 4000.0), Ok(None));
}

#[test]
fn what_the_kernel_told_goes_into_its_second() {
    let mut t = table();
    let told = |resource: &str, instance, value| crate::message::Told {
        resource: resource.into(),
        instance,
        signal: Signal::Pressure,
        value,
    };
    let mut m = said(1, 5, 10);
    if let Some(r) = &mut m.reading {
        r.signals = vec![
            told("cpu.shop", Some(instance(1)), 0.25),
            told("disk.host.vda", None, 0.5),
            // Another's instance, and what no agent sees.
            told("cpu.shop", Some(instance(2)), 0.75),
            told("db.shop", None, 0.75),
        ];
    }
    assert_eq!(t.take("10.0.0.1", m, at(10.003)), Ok(None));
    let expected = vec![
        ("cpu.shop".to_owned(), InstanceIx(1), Signal::Pressure, 0.25),
        (
            "disk.host.a1.vda".to_owned(),
            InstanceIx::NONE,
            Signal::Pressure,
            0.5,
        ),
    ];
    assert_eq!(t.close(9).signals, expected);
    assert_eq!(t.close(9).signals, vec![]);
    let mut m = said(1, 5, 11);
    if let Some(r) = &mut m.reading {
        r.signals = vec![told("cpu.shop", Some(instance(1)), f64::NAN)];
    }
    assert!(matches!(
        t.take("10.0.0.1", m, at(11.0)),
        Err(Refused::Malformed(_))
    ));
}
