//! The figures as tables, and as a plot.

use std::fmt::Write;

use crossfold_maths::bootstrap::{mean_interval, paired_difference};

use crate::Problem;
use crate::measuring::{Curve, Figure, Point, mean};
use crate::options::Options;

/// Seed of intervals.
const SEED: u64 = 1;
/// Where curves are compared: shares of the distance that all of them gain.
const SHARES: [f64; 4] = [0.1, 0.25, 0.5, 0.75];

pub(crate) fn print(curves: &[Curve], options: &Options) -> Result<(), Problem> {
    for curve in curves {
        println!("\n{}", curve.method);
        let rows = curve.points.iter().map(|point| row(point, &curve.points[0]));
        let rows = rows.collect::<Option<Vec<_>>>().ok_or("nobody is measured")?;
        table(&HEADER, &rows, options.markdown);
    }
    for (figure, name) in [
        (Figure::OtherDistance, "distance in other factors"),
        (Figure::Entropy, "entropy of categories"),
    ] {
        if curves.iter().all(|curve| !curve.points[0].people(figure).is_empty()) {
            println!("\nat the same {name}");
            compare(curves, figure, options.markdown)?;
        }
    }
    println!("\nhow even steps of diversity are");
    let rows: Vec<Vec<String>> = curves.iter().map(evenness).collect();
    table(&["method", "distance: least", "most", "NDCG: least", "most"], &rows, options.markdown);
    Ok(())
}

/// By how much the share of all change that has come about differs from the diversity asked for.
fn evenness(curve: &Curve) -> Vec<String> {
    let [first, .., last] = &curve.points[..] else { return vec![String::new(); 5] };
    let mut row = vec![curve.method.to_string()];
    for figure in [Figure::OtherDistance, Figure::Ndcg] {
        let (begin, end) = (first.mean(figure), last.mean(figure));
        let off = |point: &Point| (point.mean(figure) - begin) / (end - begin) - point.diversity;
        let all = || curve.points.iter().map(off);
        row.push(format!("{:+.2}", all().fold(f64::MAX, f64::min)));
        row.push(format!("{:+.2}", all().fold(f64::MIN, f64::max)));
    }
    row
}

const HEADER: [&str; 14] = [
    "diversity",
    "NDCG@10",
    "of seeds",
    "lost %",
    "recall@10",
    "of the best 10",
    "distance",
    "in other factors",
    "of the first 5",
    "categories",
    "entropy",
    "from interests",
    "coverage",
    "Gini",
];

fn row(point: &Point, first: &Point) -> Option<Vec<String>> {
    let ndcg = mean_interval(point.people(Figure::Ndcg), SEED)?;
    let before = first.mean(Figure::Ndcg);
    let lost = paired_difference(first.people(Figure::Ndcg), point.people(Figure::Ndcg), SEED)?;
    let percent = |value: f64| 100.0 * value / before;
    let of_seeds = point.seeds(Figure::Ndcg);
    let (least, most) =
        of_seeds.iter().fold((f64::MAX, f64::MIN), |(l, m), one| (l.min(*one), m.max(*one)));
    let figure = |figure, digits: usize| match point.people(figure).is_empty() {
        true => "–".to_owned(),
        false => format!("{:.digits$}", point.mean(figure)),
    };
    Some(vec![
        format!("{}", point.diversity),
        format!("{:.4} [{:.4}, {:.4}]", ndcg.mean, ndcg.low, ndcg.high),
        format!("{least:.4} to {most:.4}"),
        format!("{:.1} [{:.1}, {:.1}]", percent(lost.mean), percent(lost.low), percent(lost.high)),
        figure(Figure::Recall, 4),
        figure(Figure::Kept, 1),
        figure(Figure::OwnDistance, 3),
        figure(Figure::OtherDistance, 3),
        figure(Figure::BeginningDistance, 3),
        figure(Figure::Categories, 2),
        figure(Figure::Entropy, 2),
        figure(Figure::FromInterests, 3),
        format!("{:.3}", mean(&point.coverage)),
        format!("{:.3}", mean(&point.gini)),
    ])
}

/// NDCG of each curve where it has gained the same.
fn compare(curves: &[Curve], figure: Figure, markdown: bool) -> Result<(), Problem> {
    let most =
        |curve: &Curve| curve.points.iter().map(|point| point.mean(figure)).fold(0.0, f64::max);
    let begin = curves[0].points[0].mean(figure);
    let end = curves.iter().map(most).fold(f64::MAX, f64::min);
    let first = &curves[0].points[0];
    let mut rows = Vec::new();
    for share in SHARES {
        let wanted = begin + share * (end - begin);
        let reference = reached(&curves[0], figure, wanted);
        for curve in curves {
            let (Some((at, values)), Some((_, reference))) =
                (reached(curve, figure, wanted), &reference)
            else {
                continue;
            };
            let before = first.mean(Figure::Ndcg);
            let over = paired_difference(&values, reference, SEED).ok_or("nobody is measured")?;
            rows.push(vec![
                format!("{wanted:.3}"),
                curve.method.to_string(),
                format!("{at:.3}"),
                format!("{:.4}", mean(&values)),
                format!("{:.1}", 100.0 * (before - mean(&values)) / before),
                format!("{:+.4} [{:+.4}, {:+.4}]", over.mean, over.low, over.high),
            ]);
        }
    }
    let over = format!("over {}", curves[0].method);
    table(&["wanted", "method", "diversity", "NDCG@10", "lost %", &over], &rows, markdown);
    Ok(())
}

/// The least diversity at which a figure is reached, and each person's NDCG there: between two
/// points as if lists were drawn from both.
fn reached(curve: &Curve, figure: Figure, wanted: f64) -> Option<(f64, Vec<f64>)> {
    curve.points.windows(2).find_map(|pair| {
        let [before, after] = pair else { return None };
        let (low, high) = (before.mean(figure), after.mean(figure));
        let share = (wanted - low) / (high - low);
        (low <= wanted && wanted <= high && share.is_finite()).then(|| {
            let between = |(a, b): (&f64, &f64)| a + share * (b - a);
            let (a, b) = (before.people(Figure::Ndcg), after.people(Figure::Ndcg));
            let values = a.iter().zip(b).map(between).collect();
            (between((&before.diversity, &after.diversity)), values)
        })
    })
}

fn table(header: &[&str], rows: &[Vec<String>], markdown: bool) {
    if markdown {
        println!("| {} |", header.join(" | "));
        println!("|{}", " --- |".repeat(header.len()));
        rows.iter().for_each(|row| println!("| {} |", row.join(" | ")));
        return;
    }
    let width = |at: usize| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([header[at].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let print = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:>width$}"));
        println!("{}", padded.collect::<Vec<_>>().join("  "));
    };
    print(header.to_vec());
    rows.iter().for_each(|row| print(row.iter().map(String::as_str).collect()));
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 44.0;
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#000000"];

/// NDCG lost by distance gained, in factors that did not choose.
pub(crate) fn svg(curves: &[Curve]) -> String {
    let lines: Vec<(&Curve, Vec<(f64, f64)>)> = curves.iter().map(|one| (one, line(one))).collect();
    let all = || lines.iter().flat_map(|(_, line)| line);
    let most = |of: fn(&(f64, f64)) -> f64| all().map(of).fold(1e-9, f64::max);
    let (most_gained, most_lost) = (most(|at| at.0), most(|at| at.1));
    let x = |gained: f64| LEFT + gained / most_gained * (WIDTH - LEFT - RIGHT);
    let y = |lost: f64| TOP + lost / most_lost * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"11\" role=\"img\" \
         aria-label=\"NDCG@10 lost by distance gained\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"18\" font-weight=\"bold\">NDCG@10 lost (%) by distance gained in \
         other factors, at each diversity</text>\n"
    );
    let mut put = |line: String| {
        // Writing to a text cannot fail.
        let _ = writeln!(svg, "{line}");
    };
    for step in 0..=4 {
        let (lost, gained) =
            (most_lost * f64::from(step) / 4.0, most_gained * f64::from(step) / 4.0);
        put(format!(
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"#dddddd\"/>",
            WIDTH - RIGHT,
            y(lost),
            y(lost)
        ));
        put(text(LEFT - 8.0, y(lost) + 4.0, "end", "black", &format!("{lost:.0}")));
        let below = HEIGHT - BOTTOM + 18.0;
        put(text(x(gained), below, "middle", "black", &format!("+{gained:.2}")));
    }
    for ((curve, line), colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let points: Vec<String> =
            line.iter().map(|at| format!("{:.1},{:.1}", x(at.0), y(at.1))).collect();
        put(format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        ));
        for at in line {
            let (x, y) = (x(at.0), y(at.1));
            put(format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"{colour}\"/>"));
        }
        for (at, point) in line.iter().zip(&curve.points) {
            if [0.1, 0.3, 0.5].contains(&point.diversity) {
                let label = point.diversity.to_string();
                put(text(x(at.0) + 5.0, y(at.1) - 4.0, "start", colour, &label));
            }
        }
    }
    for (at, ((curve, _), colour)) in lines.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let height = TOP + 14.0 * at as f64 + 10.0;
        put(text(WIDTH - RIGHT + 12.0, height, "start", colour, &curve.method.to_string()));
    }
    svg + "</svg>\n"
}

/// Distance gained and NDCG lost in percent at each diversity.
fn line(curve: &Curve) -> Vec<(f64, f64)> {
    let first = &curve.points[0];
    let of = |point: &Point| {
        let before = first.mean(Figure::Ndcg);
        let gained = point.mean(Figure::OtherDistance) - first.mean(Figure::OtherDistance);
        (gained, 100.0 * (before - point.mean(Figure::Ndcg)) / before)
    };
    curve.points.iter().map(of).collect()
}

fn text(x: f64, y: f64, anchor: &str, colour: &str, text: &str) -> String {
    format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{text}</text>"
    )
}
