//! The disk under `data_dir`: whether it is one that keeps what is synced, how fast it syncs, and how much room it has.

use super::{Check, Grade};
use config::Config;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Writes that are synced one by one, and their bytes.
const SYNCS: usize = 40;
const BYTES: usize = 4096;
/// Slower than this nobody waits gladly for.
const SLOW: Duration = Duration::from_millis(25);
/// Less room than this is told, and than that is wrong, bytes.
const LITTLE: u64 = 1 << 30;
const TOO_LITTLE: u64 = 64 << 20;

/// What a file system promises of what was synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// As far as `statfs` tells.
    Disk,
    /// Nothing outlives the host.
    Memory,
    /// As much as what it lies on, and only as long as the container.
    Overlay,
    /// What a server, or a program, makes of it.
    Remote(&'static str),
}

/// By `f_type` of `statfs`.
const KINDS: [(i64, Kind); 9] = [
    (0x0102_1994, Kind::Memory),
    (0x8584_58f6, Kind::Memory),
    (0x794c_7630, Kind::Overlay),
    (0x6969, Kind::Remote("NFS")),
    (0xff53_4d42, Kind::Remote("CIFS")),
    (0xfe53_4d42, Kind::Remote("SMB")),
    (0x6573_5546, Kind::Remote("FUSE")),
    (0x0102_1997, Kind::Remote("9p")),
    (0x00c3_6400, Kind::Remote("Ceph")),
];

pub fn checks(config: &Config) -> Vec<Check> {
    let dir = &config.data_dir;
    let synced = match syncs(dir) {
        Ok(took) => judge(dir, kind(dir), took),
        Err(e) => {
            let text = format!(
                "{} cannot be written to: {e}; give it to the user that Plimsoll runs as",
                dir.display()
            );
            Check::new("disk", Grade::Wrong, text)
        }
    };
    let room = rustix::fs::statvfs(dir).map(|s| (s.f_bavail * s.f_frsize, s.f_blocks * s.f_frsize));
    let room = room.ok().map(|(free, all)| room_of(dir, free, all));
    [Some(synced), room].into_iter().flatten().collect()
}

/// Times of writes that were synced, shortest first.
fn syncs(dir: &Path) -> std::io::Result<Vec<Duration>> {
    std::fs::create_dir_all(dir)?;
    let path = dir.join(format!("doctor-{}.tmp", std::process::id()));
    let timed = || {
        let mut file = File::create(&path)?;
        let mut took = Vec::with_capacity(SYNCS);
        for _ in 0..SYNCS {
            let begun = Instant::now();
            file.write_all(&[0x55; BYTES])?;
            file.sync_data()?;
            took.push(begun.elapsed());
        }
        took.sort();
        Ok(took)
    };
    let timed = timed();
    // Left behind, it is in nobody's way.
    let _ = std::fs::remove_file(&path);
    timed
}

fn kind(dir: &Path) -> Kind {
    let found = rustix::fs::statfs(dir).map_or(0, |s| s.f_type);
    let known = KINDS.iter().find(|k| k.0 == found);
    known.map_or(Kind::Disk, |k| k.1)
}

fn judge(dir: &Path, kind: Kind, took: Vec<Duration>) -> Check {
    let at = |share: f64| {
        took.get((share * took.len() as f64) as usize)
            .copied()
            .unwrap_or_default()
    };
    let (half, most) = (at(0.5), at(0.95));
    let dir = dir.display();
    let text = format!(
        "{dir}: a write is synced in {:.2} ms, 19 of 20 in {:.2} ms",
        1e3 * half.as_secs_f64(),
        1e3 * most.as_secs_f64()
    );
    let (grade, text) = match kind {
        Kind::Memory => (
            Grade::Wrong,
            format!(
                "{dir} is memory: ledger and jobs are gone with the host; name a folder on a disk"
            ),
        ),
        Kind::Overlay => (
            Grade::Note,
            format!(
                "{text}; it is an overlay: what is there goes with its container; mount a volume"
            ),
        ),
        Kind::Remote(what) => (
            Grade::Note,
            format!(
                "{text}; it is {what}: whether that outlives a power cut is for the other side to say, and files that are \
                     mapped and locked need a local disk"
            ),
        ),
        Kind::Disk if most > SLOW => (
            Grade::Note,
            format!("{text}: every acknowledged job waits for that; use a faster disk"),
        ),
        Kind::Disk => (Grade::Good, text),
    };
    Check::new("disk", grade, text)
}

fn room_of(dir: &Path, free: u64, all: u64) -> Check {
    let text = format!("{}: {} of {} free", dir.display(), mib(free), mib(all));
    let (grade, advice) = match free {
        free if free < TOO_LITTLE => (Grade::Wrong, ": nothing more is accepted soon; make room"),
        free if free < LITTLE => (Grade::Note, ": make room before nothing more is accepted"),
        _ => (Grade::Good, ""),
    };
    Check::new("room", grade, text + advice)
}

pub fn mib(bytes: u64) -> String {
    match bytes as f64 / 1_048_576.0 {
        mib if mib >= 10_240.0 => format!("{:.0} GiB", mib / 1024.0),
        mib => format!("{mib:.1} MiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_disk_is_noted_and_memory_is_none() {
        let dir = Path::new("/d");
        let of = |ms| vec![Duration::from_millis(ms); 40];
        assert_eq!(judge(dir, Kind::Disk, of(1)).grade, Grade::Good);
        assert_eq!(judge(dir, Kind::Disk, of(60)).grade, Grade::Note);
        assert_eq!(judge(dir, Kind::Memory, of(0)).grade, Grade::Wrong);
        let overlay = judge(dir, Kind::Overlay, of(1));
        assert_eq!(overlay.grade, Grade::Note);
        assert!(
            overlay.text.contains("goes with its container"),
            "{overlay:?}"
        );
        let remote = judge(dir, Kind::Remote("NFS"), of(1));
        assert!(remote.grade == Grade::Note && remote.text.contains("NFS"));
    }

    #[test]
    fn a_disk_that_is_full_soon_is_told_of() {
        let of = |free| room_of(Path::new("/d"), free, 100 << 30);
        assert_eq!(of(50 << 30).grade, Grade::Good);
        assert_eq!(of(500 << 20).grade, Grade::Note);
        let full = of(1 << 20);
        assert_eq!(full.grade, Grade::Wrong);
        assert!(
            full.text.starts_with("/d: 1.0 MiB of 100 GiB free"),
            "{full:?}"
        );
    }
}
