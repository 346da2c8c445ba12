//! `signals.csv`: what the kernel told of resources beside their use.

use super::SIGNALS;
use super::faults::Faults;
use super::names::{inside, outside};
use super::row;
use super::table::{Columns, by_second, number, text};
use base::{Names, ResourceInfo, Signal, SignalCell, Window};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

pub const HEADER: &str = "time_s,resource,signal,value,instance";
const COLUMNS: Columns<'_> = Columns {
    required: &["time_s", "resource", "signal", "value"],
    optional: &["instance"],
    prefixes: &[],
};

/// Rows of a window.
pub fn rows(out: &mut Vec<u8>, w: &Window, names: &Names) {
    for s in &w.signals {
        let Some(resource) = names.resources.name(s.resource) else {
            continue;
        };
        let _ = write!(out, "{},", w.index + 1);
        row::text(out, &resource);
        let _ = write!(out, ",{},{},", s.signal.label(), s.value);
        let instance = names.instances.name(s.instance).unwrap_or_default();
        row::text(out, outside(&instance).1);
        out.push(b'\n');
    }
}

/// The signals of every second; nothing when the file is not there.
pub fn read(
    folder: &Path,
    names: &Names,
    infos: &BTreeMap<String, ResourceInfo>,
    faults: &mut Faults,
) -> BTreeMap<u64, Vec<SignalCell>> {
    by_second(&folder.join(SIGNALS), &COLUMNS, faults, |row, c| {
        let resource = text(row, c[1]).ok_or("`resource` is empty")?;
        let label = text(row, c[2]).ok_or("`signal` is empty")?;
        let signal = Signal::from_label(label)
            .ok_or_else(|| format!("`{label:.40}` is no signal that is known"))?;
        let service = infos.get(resource).map_or_else(
            || ResourceInfo::from_name(resource).service,
            |i| i.service.clone(),
        );
        let cell = SignalCell {
            resource: names.resources.intern(resource),
            instance: inside(names, service.as_deref(), text(row, c[4])),
            signal,
            value: number(row, c[3], "value")?.ok_or("`value` is empty")?,
        };
        let second = number(row, c[0], "time_s")?.ok_or("`time_s` is empty")? as u64;
        Ok((second.saturating_sub(1), cell))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::InstanceIx;

    #[test]
    fn what_was_written_is_read_and_what_is_wrong_is_named() {
        let names = Names::default();
        let cell = |name: &str, instance, signal| SignalCell {
            resource: names.resources.intern(name),
            instance,
            signal,
            value: 0.25,
        };
        let one = names.instances.intern("shop/127.0.0.1:1");
        let w = Window {
            index: 7,
            signals: vec![
                cell("cpu.shop", one, Signal::Throttled),
                cell("cpu.host", InstanceIx::NONE, Signal::Pressure),
            ],
            ..Window::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let mut out = format!("{HEADER}\n").into_bytes();
        rows(&mut out, &w, &names);
        let put = |text: &[u8]| std::fs::write(folder.path().join(SIGNALS), text).unwrap();
        put(&out);
        let read = || {
            let mut faults = Faults::default();
            let read = read(folder.path(), &names, &BTreeMap::new(), &mut faults);
            let told: Vec<String> = faults.finish().into_iter().map(|f| f.what).collect();
            (read, told)
        };
        assert_eq!(read(), ([(7, w.signals)].into(), vec![]));
        out.extend_from_slice(b"9,cpu.shop,heat,1,\n");
        put(&out);
        let (again, told) = read();
        assert_eq!(again.len(), 1);
        assert!(told[0].contains("`heat`"), "{told:?}");
    }
}
