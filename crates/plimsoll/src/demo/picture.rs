//! What the demo's live view shows, and how it is laid out. Pure: numbers in, cells out.

use crate::show::number::{percent, rate, seconds};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Gauge, Paragraph, Wrap};
use std::collections::VecDeque;

/// Lines of the log that are kept.
const LOG: usize = 200;
/// Where the rest of a long line begins.
const INDENT: usize = 10;

/// The stages in their order; each lasts until the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Start,
    Learn,
    Before,
    Trial,
    Relearn,
    After,
}

impl Stage {
    pub const ALL: [Stage; 6] = [
        Stage::Start,
        Stage::Learn,
        Stage::Before,
        Stage::Trial,
        Stage::Relearn,
        Stage::After,
    ];

    fn label(self) -> &'static str {
        match self {
            Stage::Start => "start the shop",
            Stage::Learn => "learn what requests cost",
            Stage::Before => "measure the load line",
            Stage::Trial => "try the change",
            Stage::Relearn => "learn the new state",
            Stage::After => "measure it again",
        }
    }
}

/// Requests of one arm since the trial began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArmNow {
    pub requests: u64,
    pub p50: Option<f64>,
    pub p99: Option<f64>,
}

/// What telemetry says; quantiles are those of windows that have closed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// Customers' requests per second.
    pub rate: f64,
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    /// Base and canary.
    pub arms: [ArmNow; 2],
}

/// The demo as it stands.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// When each stage began, seconds since the start.
    pub began: Vec<(Stage, f64)>,
    /// What the stage under way is doing.
    pub doing: String,
    pub now_s: f64,
    pub numbers: Numbers,
    /// Resource and utilisation.
    pub constraint: Option<(String, f64)>,
    /// The predicted load line.
    pub line: Option<f64>,
    pub measured: [Option<f64>; 2],
    /// The change on trial, and what was seen of it.
    pub trial: Option<(String, String)>,
    pub log: VecDeque<String>,
}

impl Picture {
    pub fn enter(&mut self, stage: Stage, at_s: f64) {
        self.began.push((stage, at_s));
        self.doing.clear();
    }

    pub fn log(&mut self, line: &str) {
        for l in line.lines() {
            if self.log.len() == LOG {
                self.log.pop_front();
            }
            self.log.push_back(l.to_owned());
        }
    }

    /// How long a stage took, or takes; whether it is over. `None`: not begun.
    fn took(&self, stage: Stage) -> Option<(f64, bool)> {
        let i = self.began.iter().position(|b| b.0 == stage)?;
        let next = self.began.get(i + 1);
        let end = next.map_or(self.now_s, |n| n.1);
        Some((end - self.began[i].1, next.is_some()))
    }
}

pub fn draw(frame: &mut Frame<'_>, p: &Picture) {
    let stages = Stage::ALL.len() as u16 + 2;
    let [top, trial, log] = Layout::vertical([
        Constraint::Length(stages),
        Constraint::Length(if p.trial.is_some() { 6 } else { 0 }),
        Constraint::Min(3),
    ])
    .areas(frame.area());
    let [left, right] =
        Layout::horizontal([Constraint::Percentage(48), Constraint::Percentage(52)]).areas(top);
    draw_stages(frame, left, p);
    draw_line(frame, right, p);
    if let Some((title, seen)) = &p.trial {
        draw_trial(frame, trial, p, title, seen);
    }
    let height = usize::from(log.height.saturating_sub(2));
    let folded = fold(&p.log, usize::from(log.width.saturating_sub(2)));
    let skip = folded.len().saturating_sub(height);
    let lines: Vec<Line<'_>> = folded.into_iter().skip(skip).map(Line::raw).collect();
    frame.render_widget(
        Paragraph::new(lines).block(Block::bordered().title(" log · q or Ctrl-C ends the demo ")),
        log,
    );
}

/// Lines that are too long go on in the next one, further in.
fn fold(log: &VecDeque<String>, width: usize) -> Vec<String> {
    let mut out = Vec::new();
    for line in log {
        let all: Vec<char> = line.chars().collect();
        let head = all.len().min(width);
        out.push(all[..head].iter().collect());
        for rest in all[head..].chunks(width.saturating_sub(INDENT).max(1)) {
            out.push(" ".repeat(INDENT) + &rest.iter().collect::<String>());
        }
    }
    out
}

fn draw_stages(frame: &mut Frame<'_>, area: Rect, p: &Picture) {
    let title = format!(" plimsoll demo · {:.0} s ", p.now_s);
    let rows: Vec<Line<'_>> = Stage::ALL
        .iter()
        .map(|s| match p.took(*s) {
            Some((took, true)) => Line::raw(format!("✓ {:<25}{took:5.1} s", s.label())),
            Some((took, false)) => {
                let text = format!("▶ {:<25}{took:5.1} s", s.label());
                Line::styled(text, Style::new().add_modifier(Modifier::BOLD))
            }
            None => Line::styled(format!("  {}", s.label()), Style::new().fg(Color::DarkGray)),
        })
        .collect();
    frame.render_widget(
        Paragraph::new(rows).block(Block::bordered().title(title)),
        area,
    );
}

fn draw_line(frame: &mut Frame<'_>, area: Rect, p: &Picture) {
    let block = Block::bordered().title(" load ");
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let n = &p.numbers;
    let [now, latency, busy, gauge, line, doing] =
        Layout::vertical([Constraint::Length(1); 6]).areas(inside);
    let text = |s: String| Paragraph::new(s);
    frame.render_widget(text(format!("now         {}", rate(n.rate))), now);
    let quantiles = format!(
        "p50, p99    {}, {} (10 s ago)",
        seconds(n.p50),
        seconds(n.p99)
    );
    frame.render_widget(text(quantiles), latency);
    let (name, share) = match &p.constraint {
        Some((name, share)) => (name.clone(), *share),
        None => ("not known yet".into(), 0.0),
    };
    frame.render_widget(text(format!("constraint  {name}")), busy);
    if p.constraint.is_some() {
        let bar = Gauge::default()
            .gauge_style(Style::new().fg(Color::Cyan))
            .ratio(share.clamp(0.0, 1.0))
            .label(format!("{} busy while learning", percent(share)));
        frame.render_widget(bar, gauge);
    }
    let measured = |x: Option<f64>| x.map_or("—".to_owned(), |x| format!("{x:.0}"));
    let line_text = match p.line {
        Some(l) => format!(
            "load line   {}, measured {} → {}",
            rate(l),
            measured(p.measured[0]),
            measured(p.measured[1])
        ),
        None => "load line   not known yet".into(),
    };
    frame.render_widget(text(line_text), line);
    let doing_line = Line::from(Span::styled(
        p.doing.clone(),
        Style::new().fg(Color::Yellow),
    ));
    frame.render_widget(Paragraph::new(doing_line), doing);
}

fn draw_trial(frame: &mut Frame<'_>, area: Rect, p: &Picture, title: &str, seen: &str) {
    let arm = |name: &str, a: &ArmNow| {
        Line::raw(format!(
            "{name:<13}{:>6} requests   p50 {:>8}   p99 {:>8}",
            a.requests,
            seconds(a.p50),
            seconds(a.p99)
        ))
    };
    let rows = vec![
        arm("without", &p.numbers.arms[0]),
        arm("with it", &p.numbers.arms[1]),
        Line::raw(seen),
    ];
    let block = Block::bordered().title(format!(" trial: {title} "));
    let seen = Paragraph::new(rows).wrap(Wrap { trim: true }).block(block);
    frame.render_widget(seen, area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn picture() -> Picture {
        let mut p = Picture {
            now_s: 61.2,
            constraint: Some(("lock.front.stock".into(), 0.39)),
            line: Some(136.0),
            measured: [Some(143.0), None],
            trial: Some((
                "cache product for 1s".into(),
                "demand: 6.4 ms with, 9.1 ms without".into(),
            )),
            ..Picture::default()
        };
        p.numbers = Numbers {
            rate: 61.4,
            p50: Some(0.012),
            p99: Some(0.033),
            arms: [
                ArmNow {
                    requests: 43,
                    p50: Some(0.012),
                    p99: Some(0.03),
                },
                ArmNow {
                    requests: 48,
                    p50: Some(0.002),
                    p99: None,
                },
            ],
        };
        for (i, s) in Stage::ALL.into_iter().take(4).enumerate() {
            p.enter(s, 15.0 * i as f64);
        }
        for i in 0..300 {
            p.log(&format!("line {i}"));
        }
        p
    }

    fn shown(width: u16, height: u16, p: &Picture) -> String {
        let mut t = Terminal::new(TestBackend::new(width, height)).unwrap();
        t.draw(|f| draw(f, p)).unwrap();
        t.backend().to_string()
    }

    #[test]
    fn everything_is_seen_on_a_small_terminal_and_on_a_large_one() {
        for (w, h) in [(80, 24), (120, 40)] {
            let text = shown(w, h, &picture());
            for part in [
                "✓ measure the load line     15.0 s",
                "▶ try the change            16.2 s",
                "61/s",
                "12.0 ms, 33.0 ms",
                "lock.front.stock",
                "39 % busy",
                "136/s, measured 143 → —",
                "48 requests",
                "6.4 ms with, 9.1 ms without",
                "line 299",
            ] {
                assert!(text.contains(part), "{w}x{h}: {part}\n{text}");
            }
        }
    }

    #[test]
    fn long_lines_of_the_log_go_on_below() {
        let log = VecDeque::from(["short".to_owned(), "0123456789abcdef".to_owned()]);
        assert_eq!(fold(&log, 13), ["short", "0123456789abc", "          def"]);
    }

    #[test]
    fn nothing_known_and_no_room_are_no_reason_to_fail() {
        assert!(shown(80, 24, &Picture::default()).contains("not known yet"));
        for (w, h) in [(1, 1), (10, 3), (200, 2)] {
            shown(w, h, &picture());
        }
    }
}
