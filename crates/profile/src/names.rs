//! Addresses of a process by the functions they are in: from the symbols of its files, and from `/tmp/perf-PID.map` where a
//! runtime that compiles while it runs writes one. Sources and lines are not read: that takes a large program's debugging
//! information into memory.

use crate::kernel::Stack;
use blazesym::Pid;
use blazesym::symbolize::source::{Process, Source};
use blazesym::symbolize::{Input, Symbolized, Symbolizer};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;

/// Of a function's name, characters.
const LONGEST: usize = 160;
/// Of a process's list of mapped files, lines.
const MAPPED: usize = 65_536;
/// What the kernel did for a thread.
const KERNEL: &str = "(the kernel)";
/// In memory that no file stands behind.
const MADE: &str = "(code made while it runs)";
/// In no memory of the process: without frame pointers a stack may hold anything.
const NOWHERE: &str = "(nowhere)";

/// A function as people know it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Function {
    /// Without a symbol: the file, in brackets.
    pub name: String,
    /// The file that it is in; empty: none.
    pub module: String,
    /// Whether `name` is its own.
    pub named: bool,
}

impl Function {
    fn without_name(name: &str, module: &str) -> Function {
        Function {
            name: name.to_owned(),
            module: module.to_owned(),
            named: false,
        }
    }
}

/// Each stack by functions, the innermost first. Read while the processes are still there.
pub fn functions(stacks: &[Stack]) -> Vec<Vec<Function>> {
    let mut wanted: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
    for s in stacks {
        wanted.entry(s.pid).or_default().extend(addresses(s));
    }
    let symbolizer = Symbolizer::new();
    let named: BTreeMap<u32, BTreeMap<u64, Function>> = wanted
        .into_iter()
        .map(|(pid, all)| (pid, of_process(&symbolizer, pid, all.into_iter().collect())))
        .collect();
    let of = |s: &Stack| {
        let kernel = s.in_kernel.then(|| Function::without_name(KERNEL, ""));
        let own = addresses(s).filter_map(|a| named.get(&s.pid)?.get(&a).cloned());
        kernel.into_iter().chain(own).collect()
    };
    stacks.iter().map(of).collect()
}

/// All but the innermost say where a call returns to, which may be the first byte of the next function.
fn addresses(s: &Stack) -> impl Iterator<Item = u64> + '_ {
    let at = |(i, a): (usize, &u64)| {
        if i == 0 && !s.in_kernel {
            *a
        } else {
            a.saturating_sub(1)
        }
    };
    s.frames.iter().enumerate().map(at)
}

fn of_process(symbolizer: &Symbolizer, pid: u32, all: Vec<u64>) -> BTreeMap<u64, Function> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let mapped = mapped(&maps);
    // A file at a time: one that cannot be read takes the names of all that are asked for beside it.
    let mut parts: BTreeMap<Option<usize>, Vec<u64>> = BTreeMap::new();
    for at in all {
        let part = mapped.partition_point(|m| m.range.end <= at);
        let part = mapped
            .get(part)
            .filter(|m| m.range.contains(&at))
            .map(|_| part);
        parts.entry(part).or_default().push(at);
    }
    let functions = |(part, all): (Option<usize>, Vec<u64>)| {
        let file = part.map(|p| mapped[p].file);
        let names = match part {
            Some(_) => symbols(symbolizer, pid, &all),
            None => Vec::new(),
        };
        let function =
            |(i, at): (usize, u64)| (at, function(names.get(i).cloned().flatten(), file));
        all.into_iter()
            .enumerate()
            .map(function)
            .collect::<Vec<_>>()
    };
    parts.into_iter().flat_map(functions).collect()
}

/// `file`: `None` where nothing is known to be; an empty name where no file stands behind the memory.
fn function(name: Option<String>, file: Option<&str>) -> Function {
    match (name, file) {
        (Some(name), file) => Function {
            name: name.chars().take(LONGEST).collect(),
            module: file.unwrap_or_default().to_owned(),
            named: true,
        },
        (None, None) => Function::without_name(NOWHERE, ""),
        (None, Some("")) => Function::without_name(MADE, ""),
        (None, Some(file)) => Function::without_name(&format!("[{file}]"), file),
    }
}

/// One for each address, all of which are in one file.
fn symbols(symbolizer: &Symbolizer, pid: u32, all: &[u64]) -> Vec<Option<String>> {
    // Files by the names in the process's own list reach into containers, and take rights that not everybody has.
    for map_files in [true, false] {
        let mut process = Process::new(Pid::from(pid));
        process.debug_syms = false;
        process.map_files = map_files;
        if let Ok(found) = symbolizer.symbolize(&Source::Process(process), Input::AbsAddr(all)) {
            let name = |s: &Symbolized| s.as_sym().map(|s| s.name.clone().into_owned());
            return found.iter().map(name).collect();
        }
    }
    Vec::new()
}

struct Mapping<'a> {
    range: Range<u64>,
    /// Empty: none.
    file: &'a str,
}

/// In the order of their addresses, from `/proc/PID/maps`.
fn mapped(maps: &str) -> Vec<Mapping<'_>> {
    maps.lines().take(MAPPED).filter_map(mapping).collect()
}

fn mapping(line: &str) -> Option<Mapping<'_>> {
    let (from, to) = line.split_whitespace().next()?.split_once('-')?;
    let hex = |s| u64::from_str_radix(s, 16).ok();
    // What is in brackets is memory; but for that of the kernel's own functions.
    let file = match line.find('/') {
        Some(at) => line[at..].rsplit('/').next().unwrap_or_default(),
        None if line.ends_with("[vdso]") => "[vdso]",
        None => "",
    };
    Some(Mapping {
        range: hex(from)?..hex(to)?,
        file,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_ranges_are_read_and_other_lines_are_passed() {
        let maps = "7f00-7f10 r-xp 00000000 fd:00 12   /usr/lib/my app/libm.so.6\n\
                    8000-8010 rwxp 00000000 00:00 0 \nrubbish\n\
                    8100-8110 rwxp 00000000 00:00 0  [heap]\n\
                    9000-9010 r-xp 00000000 00:00 0   [vdso]\n";
        let all = mapped(maps);
        let files: Vec<_> = all.iter().map(|m| (m.range.start, m.file)).collect();
        let expected = [
            (0x7f00, "libm.so.6"),
            (0x8000, ""),
            (0x8100, ""),
            (0x9000, "[vdso]"),
        ];
        assert_eq!(files, expected);
        assert_eq!(function(None, Some("")).name, MADE);
        assert_eq!(function(None, Some("libm.so.6")).name, "[libm.so.6]");
    }

    #[test]
    fn our_own_functions_have_names_and_what_is_nowhere_has_none() {
        let here = functions as fn(&[Stack]) -> Vec<Vec<Function>> as usize as u64;
        let stack = Stack {
            pid: std::process::id(),
            in_kernel: true,
            frames: vec![here + 1, 0x10],
        };
        let all = functions(&[stack]);
        let names: Vec<_> = all[0].iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names[0], KERNEL);
        assert!(names[1].ends_with("names::functions"), "{names:?}");
        assert_eq!(names[2], NOWHERE);
    }
}
