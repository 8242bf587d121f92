//! The demo as a picture. Pure: a story in, a frame out.

use alphapulse_engine::node::Latency;
use alphapulse_protocol::U256;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Cell, Gauge, Paragraph, Row, Sparkline, Table};

use super::story::{Stage, Story, Trade};
use crate::screen::{ETHER_DECIMALS, nanos, units};

/// Wei per unit of a bar's height: a bar holds 64 bits, and nobody sees less than a microether.
const BAR_WEI: u64 = 1_000_000_000_000;
const PROFIT: Color = Color::Green;
const QUIET: Color = Color::DarkGray;

/// Where the demo stands between two blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// A block is being made and traded on.
    Working,
    /// The next block comes in a moment.
    Waiting,
    /// Somebody wants to look.
    Paused,
    /// The last trades are landing.
    Closing,
}

/// Draws everything.
pub(crate) fn story(frame: &mut Frame<'_>, story: &Story, pace: Pace) {
    let [head, figures, trades, moves, foot] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(8),
        Constraint::Min(6),
        Constraint::Length(7),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    progress(frame, head, story);
    let [money, pipeline] = Layout::horizontal([Constraint::Percentage(52), Constraint::Percentage(48)]).areas(figures);
    profit(frame, money, story);
    counts(frame, pipeline, story);
    trade_table(frame, trades, story);
    trader_moves(frame, moves, story);
    frame.render_widget(Line::from(foot_text(pace)).style(Style::new().fg(QUIET)), foot);
}

fn framed(title: &str) -> Block<'_> {
    Block::bordered().border_type(BorderType::Rounded).border_style(Style::new().fg(QUIET)).title(title.bold())
}

fn progress(frame: &mut Frame<'_>, area: Rect, story: &Story) {
    let done = f64::from(story.rounds.min(story.rounds_max)) / f64::from(story.rounds_max.max(1));
    let label = format!(
        "block {} · {}/{} · base fee {} gwei",
        story.block,
        story.rounds.min(story.rounds_max),
        story.rounds_max,
        units(U256::from(story.base_fee), 9)
    );
    let title = format!(" AlphaPulse · real Uniswap contracts on a local chain · seed {} ", story.seed);
    let block = framed(&title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    frame.render_widget(Gauge::default().ratio(done).label(label).gauge_style(Style::new().fg(Color::Blue)), inner);
}

fn profit(frame: &mut Frame<'_>, area: Rect, story: &Story) {
    let totals = &story.status.totals;
    let block = framed(" Profit on chain ");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [text, bars] = Layout::vertical([Constraint::Length(3), Constraint::Min(1)]).areas(inner);
    let gas = U256::from(totals.gas_spent);
    let net = match totals.realised_profit.checked_sub(gas) {
        Some(net) => Span::from(format!("+{} ETH", units(net, ETHER_DECIMALS))).fg(PROFIT).bold(),
        None => Span::from(format!("-{} ETH", units(gas - totals.realised_profit, ETHER_DECIMALS))).fg(Color::Red),
    };
    let lines = vec![
        figure("realised", Span::from(format!("+{} WETH", units(totals.realised_profit, ETHER_DECIMALS))).fg(PROFIT)),
        figure("gas", Span::from(format!("-{} ETH", units(gas, ETHER_DECIMALS)))),
        figure("net", net),
    ];
    frame.render_widget(Paragraph::new(lines), text);
    let width = usize::from(bars.width);
    let newest = story.profit_by_block.iter().skip(story.profit_by_block.len().saturating_sub(width));
    let heights = newest.map(|wei| (wei / U256::from(BAR_WEI)).saturating_to::<u64>());
    frame.render_widget(Sparkline::default().data(heights.collect::<Vec<_>>()).style(Style::new().fg(PROFIT)), bars);
}

fn counts(frame: &mut Frame<'_>, area: Rect, story: &Story) {
    let totals = &story.status.totals;
    let lines = vec![
        figure("found", Span::from(totals.opportunities.to_string())),
        figure("approved", Span::from(format!("{}   rejected {}", totals.approved, totals.rejected))),
        figure("landed", Span::from(format!("{}   reverted {}", totals.included, totals.reverted)).bold()),
        figure("as predicted", as_predicted(totals.included, totals.mispredicted)),
        figure("decided in", latency(story.status.decide)),
        figure("on the way in", latency(story.status.submit)),
    ];
    frame.render_widget(Paragraph::new(lines).block(framed(" Engine ")), area);
}

fn as_predicted(included: u64, mispredicted: u64) -> Span<'static> {
    if mispredicted == 0 {
        Span::from(format!("{included} of {included}, to the wei")).fg(PROFIT)
    } else {
        Span::from(format!("{} of {included}", included.saturating_sub(mispredicted))).fg(Color::Red)
    }
}

fn latency(latency: Latency) -> Span<'static> {
    if latency.count == 0 {
        return Span::from("-").fg(QUIET);
    }
    Span::from(format!("{} median, {} p99", nanos(latency.p50_ns), nanos(latency.p99_ns)))
}

fn figure(name: &'static str, value: Span<'static>) -> Line<'static> {
    Line::from(vec![Span::from(format!(" {name:<14}")).fg(QUIET), value])
}

fn trade_table(frame: &mut Frame<'_>, area: Rect, story: &Story) {
    let visible = usize::from(area.height.saturating_sub(3));
    let rows = story.trades.iter().rev().take(visible).map(trade_row);
    let widths = [
        Constraint::Length(7),
        Constraint::Min(24),
        Constraint::Length(12),
        Constraint::Length(12),
        Constraint::Length(26),
    ];
    let header = Row::new(["block", "route", "in", "profit", "what became of it"]).style(Style::new().fg(QUIET));
    let table = Table::new(rows, widths).header(header).block(framed(" Opportunities ")).column_spacing(1);
    frame.render_widget(table, area);
}

fn trade_row(trade: &Trade) -> Row<'static> {
    let amount = |amount| Line::from(units(amount, ETHER_DECIMALS)).alignment(Alignment::Right);
    let (fate, style) = fate(trade);
    Row::new([
        Cell::from(trade.found_in.to_string()),
        Cell::from(trade.route.clone()),
        Cell::from(amount(trade.amount_in)),
        Cell::from(amount(trade.predicted)),
        Cell::from(fate),
    ])
    .style(style)
}

fn fate(trade: &Trade) -> (String, Style) {
    let plain = Style::new();
    match &trade.stage {
        Stage::Found => ("judging".to_owned(), plain),
        Stage::Rejected(reason) => (reason.replace('_', " "), plain.fg(QUIET)),
        Stage::Approved => ("approved".to_owned(), plain.fg(Color::Cyan)),
        Stage::Sent => ("sent".to_owned(), plain.fg(Color::Cyan).add_modifier(Modifier::BOLD)),
        Stage::Unclear => ("sent, no clear answer".to_owned(), plain.fg(Color::Yellow)),
        Stage::Landed(gain) if *gain == trade.predicted => {
            ("landed, as predicted".to_owned(), plain.fg(PROFIT).add_modifier(Modifier::BOLD))
        }
        Stage::Landed(gain) => (format!("landed +{}", units(*gain, ETHER_DECIMALS)), plain.fg(Color::Yellow)),
        Stage::Reverted => ("reverted, nothing lost but gas".to_owned(), plain.fg(Color::Red)),
        Stage::Dropped => ("dropped".to_owned(), plain.fg(QUIET)),
    }
}

fn trader_moves(frame: &mut Frame<'_>, area: Rect, story: &Story) {
    let lines: Vec<Line<'_>> = story.moves.iter().map(|step| Line::from(format!(" {step}"))).collect();
    frame.render_widget(Paragraph::new(lines).block(framed(" Traders in this block ")), area);
}

const fn foot_text(pace: Pace) -> &'static str {
    match pace {
        Pace::Working => " trading · space pauses · q stops",
        Pace::Waiting => " waiting for the next block · space pauses · q stops",
        Pace::Paused => " paused · space goes on · q stops",
        Pace::Closing => " letting the last trades land",
    }
}

#[cfg(test)]
mod tests {
    use alphapulse_protocol::replica::Replica;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::commands::demo::legend::Legend;

    fn trade(id: u64, stage: Stage) -> Trade {
        let route = "WETH › DAI › WETH  Uniswap V2, Uniswap V3 0.3%".to_owned();
        Trade { id, found_in: 12, route, amount_in: ether(2), predicted: ether(1), stage }
    }

    fn ether(count: u64) -> U256 {
        U256::from(count) * U256::from(1_000_000_000_000_000_000_u64)
    }

    fn sample() -> Story {
        let mut story = Story::new(Legend::new(&Replica::default(), &[]), &[], 7, 40);
        story.rounds = 12;
        story.block = 19;
        story.moves = vec!["1.5 WETH → DAI on Uniswap V2".to_owned()];
        story.profit_by_block = vec![U256::ZERO, ether(1), U256::MAX];
        story.trades = [
            Stage::Found,
            Stage::Rejected("unprofitable_after_gas"),
            Stage::Approved,
            Stage::Sent,
            Stage::Unclear,
            Stage::Landed(ether(1)),
            Stage::Landed(ether(3)),
            Stage::Reverted,
            Stage::Dropped,
        ]
        .into_iter()
        .zip(1..)
        .map(|(stage, id)| trade(id, stage))
        .collect();
        story.status.totals.included = 2;
        story.status.totals.mispredicted = 1;
        story.status.totals.realised_profit = ether(4);
        story.status.totals.gas_spent = 1_000_000_000_000_000_000;
        story
    }

    fn picture(width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory is always there");
        terminal.draw(|frame| super::story(frame, &sample(), Pace::Waiting)).expect("memory is always there");
        let buffer = terminal.backend().buffer();
        let rows = buffer.content().chunks(usize::from(width));
        rows.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>() + "\n").collect()
    }

    #[test]
    fn the_picture_tells_money_fates_and_moves() {
        let picture = picture(120, 40);
        for text in [
            "realised      +4 WETH",
            "gas           -1 ETH",
            "net           +3 ETH",
            "block 19 · 12/40",
            "1 of 2",
            "unprofitable after gas",
            "landed, as predicted",
            "landed +3",
            "reverted",
            "sent, no clear answer",
            "1.5 WETH → DAI on Uniswap V2",
            "space pauses",
        ] {
            assert!(picture.contains(text), "{text:?} is not in\n{picture}");
        }
    }

    #[test]
    fn every_terminal_size_is_drawn() {
        for (width, height) in [(1, 1), (10, 3), (40, 12), (80, 24), (300, 100)] {
            assert_eq!(picture(width, height).lines().count(), usize::from(height));
        }
    }
}
