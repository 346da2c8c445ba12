//! What differs between two versions of a text, line by line, with a little of what stands around it.

/// Unchanged lines shown around a change.
const AROUND: usize = 2;
/// A changed stretch of more lines times lines than this is shown as removed and added whole.
const CELLS: usize = 4_000_000;

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Same,
    Gone,
    New,
}

/// The changed places; empty when nothing differs.
pub fn diff(old: &str, new: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let marked = marked(&a, &b);
    let mut out = String::new();
    let mut shown = 0;
    for (i, (mark, line)) in marked.iter().enumerate() {
        let from = i.saturating_sub(AROUND);
        let near = &marked[from..(i + AROUND + 1).min(marked.len())];
        if near.iter().all(|m| m.0 == Mark::Same) {
            continue;
        }
        if shown < i && !out.is_empty() {
            out.push_str("  …\n");
        }
        shown = i + 1;
        let sign = match mark {
            Mark::Same => ' ',
            Mark::Gone => '-',
            Mark::New => '+',
        };
        out.push_str(&format!("{sign} {line}\n"));
    }
    out
}

/// The lines of both, in order, by the longest common run of lines.
fn marked<'a>(a: &[&'a str], b: &[&'a str]) -> Vec<(Mark, &'a str)> {
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let tail = (a[head..].iter().rev())
        .zip(b[head..].iter().rev())
        .take_while(|(x, y)| x == y)
        .count();
    let (x, y) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
    let same = |l: &&'a str| (Mark::Same, *l);
    let mut out: Vec<_> = a[..head].iter().map(same).collect();
    out.extend(middle(x, y));
    out.extend(a[a.len() - tail..].iter().map(same));
    out
}

fn middle<'a>(x: &[&'a str], y: &[&'a str]) -> Vec<(Mark, &'a str)> {
    let gone = |l: &&'a str| (Mark::Gone, *l);
    let new = |l: &&'a str| (Mark::New, *l);
    if x.len() * y.len() > CELLS {
        return x.iter().map(gone).chain(y.iter().map(new)).collect();
    }
    // `common[i][j]`: most lines that `x[i..]` and `y[j..]` share in order.
    let mut common = vec![vec![0u32; y.len() + 1]; x.len() + 1];
    for i in (0..x.len()).rev() {
        for j in (0..y.len()).rev() {
            common[i][j] = match x[i] == y[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < x.len() && j < y.len() {
        if x[i] == y[j] {
            out.push((Mark::Same, x[i]));
            (i, j) = (i + 1, j + 1);
        } else if common[i + 1][j] >= common[i][j + 1] {
            out.push(gone(&x[i]));
            i += 1;
        } else {
            out.push(new(&y[j]));
            j += 1;
        }
    }
    out.extend(x[i..].iter().map(gone));
    out.extend(y[j..].iter().map(new));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_and_a_little_around_it() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n";
        let new = "a\nb\nc\nD\ne\nf\ng\nh\ni\nj\nk\n";
        assert_eq!(
            diff(old, new),
            "  b\n  c\n- d\n+ D\n  e\n  f\n  …\n  i\n  j\n+ k\n"
        );
        assert_eq!(diff(old, old), "");
        assert_eq!(diff("", "a\n"), "+ a\n");
        assert_eq!(diff("a\nx\nb\n", "a\nb\n"), "  a\n- x\n  b\n");
    }
}
