//! Steps that end, fail, talk too much, take too long, or cannot be started.

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn block(script: &str) -> Block {
    Block {
        name: "x".into(),
        line: 1,
        shell: "sh",
        script: script.into(),
        cwd: None,
        interactive: false,
        only_by_name: false,
    }
}

fn step_in(folder: &str, block: &Block, limit: Duration) -> Ended {
    let place = Place {
        folder: folder.into(),
        variables: vec![("PLIMSOLL_STEP", "x".into())],
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut interrupts = Interrupts::new().unwrap();
        run(block, &place, limit, &mut interrupts).await
    })
}

fn step(script: &str, limit: Duration) -> Ended {
    step_in("/", &block(script), limit)
}

#[test]
fn statuses_output_and_environment() {
    let e = step("echo $PLIMSOLL_STEP; echo err >&2", LONG);
    assert_eq!((e.end, e.output.as_str()), (End::Status(0), "x\nerr\n"));
    let e = step("false; echo never", LONG);
    assert_eq!((e.status(), e.output.as_str()), (Some(1), ""));
    let e = step("kill -9 $$", LONG);
    assert!(e.how().starts_with("ENDED by a signal"), "{}", e.how());
    assert_eq!(e.status(), None);
}

#[test]
fn output_and_time_are_bounded() {
    let e = step("head -c 1000000 /dev/zero", LONG);
    assert_eq!((e.status(), e.output.len()), (Some(0), KEEP));
    let e = step("echo a; sleep 50 & sleep 50", Duration::from_secs(3));
    assert_eq!((&e.end, e.output.as_str()), (&End::Late, "a\n"));
    assert!(e.took < Duration::from_secs(40), "{:?}", e.took);
}

#[test]
fn what_stays_in_the_background_is_not_waited_for() {
    let e = step("sleep 50 & echo b", LONG);
    assert_eq!((e.status(), e.output.as_str()), (Some(0), "b\n"));
    assert!(e.took < Duration::from_secs(40), "{:?}", e.took);
}

#[test]
fn the_shell_is_the_one_of_the_fence() {
    let bash = Block {
        shell: "bash",
        ..block("[[ abc == a* ]] && echo yes")
    };
    let e = step_in("/", &bash, LONG);
    assert_eq!((e.status(), e.output.as_str()), (Some(0), "yes\n"));
}

#[test]
fn why_it_does_not_start() {
    let e = step_in("/nowhere", &block("true"), LONG);
    assert_eq!(e.how(), "DID NOT START: /nowhere is no folder");
    let other = Block {
        shell: "no-such-shell",
        ..block("true")
    };
    let e = step_in("/", &other, LONG);
    assert!(
        e.how()
            .starts_with("DID NOT START: `no-such-shell`: No such file"),
        "{}",
        e.how()
    );
}
