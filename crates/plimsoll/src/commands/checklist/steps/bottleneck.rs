//! What holds the system down is known, and how far the load line is.

use super::{Known, Look};

pub fn look(k: &Known) -> Look {
    let Some(answer) = &k.answer else {
        let progress = k.progress.as_deref().unwrap_or("nothing runs");
        return Look {
            done: false,
            evidence: vec![format!("no diagnosis yet: {progress}")],
            next: "send traffic through Plimsoll for some minutes, then `plimsoll diagnose`".into(),
        };
    };
    let mut evidence = vec![answer.diagnosis.summary.clone()];
    evidence.extend(answer.line.as_ref().map(|l| {
        format!(
            "load line {:.0}/s, {:.1} times the current {:.0}/s",
            l.line, l.headroom, l.current
        )
    }));
    let known = answer.diagnosis.constraint.is_some();
    Look {
        done: known,
        evidence,
        next: match known {
            true => String::new(),
            false => "`plimsoll diagnose` says what is missing".into(),
        },
    }
}
