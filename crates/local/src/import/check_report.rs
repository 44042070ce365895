//! What an import would do, in words and as JSON: `crossfold import --check`.

use std::fmt::{self, Display};

use crossfold_core::entities::counted::of;
use crossfold_lab::output::Foreign;
use serde_json::{Value, json};

use super::import_events::Meaning;
use super::item_rows::OFFER;
use super::mapping::Kind;
use super::survey::Survey;
use super::usual_names::Field;

/// What was recognised of a file.
pub(crate) struct CheckReport<'a> {
    /// What was recognised.
    pub(crate) survey: &'a Survey,
    /// What its rows mean.
    pub(crate) meaning: &'a Meaning,
    /// The zone of times without one.
    pub(crate) zone: String,
    /// Whether the first rows are shown.
    pub(crate) shows_rows: bool,
}

impl CheckReport<'_> {
    /// The report as JSON.
    pub(crate) fn to_json(&self) -> Value {
        let survey = self.survey;
        let fields: serde_json::Map<String, Value> =
            self.fields().map(|(column, field)| (field.name().to_owned(), column.into())).collect();
        let unused = survey.mapping.unused(&survey.columns);
        let events = &survey.events;
        let mut report = json!({
            "file": survey.path, "format": survey.description, "rows": survey.rows,
            "kind": if survey.mapping.kind == Kind::Events { "events" } else { "items" },
            "fields": fields,
            "ignored": unused.into_iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "refused": survey.refused,
            "first_rows": survey.first_rows,
        });
        if survey.mapping.kind == Kind::Items {
            report["items"] = survey.items.items.count().into();
            return report;
        }
        report["people"] = events.people.count().into();
        report["items"] = events.items.count().into();
        report["types"] = json!(events.types);
        report["first"] = json!(events.span.map(|(first, _)| first));
        report["last"] = json!(events.span.map(|(_, last)| last));
        report["rating_min"] = json!(self.meaning.ratings.as_ref().map(|rule| rule.min));
        report
    }

    fn fields(&self) -> impl Iterator<Item = (&str, Field)> {
        let columns = self.survey.columns.iter().enumerate();
        columns.filter_map(|(at, column)| Some((column.as_str(), self.survey.mapping.field(at)?)))
    }

    fn write_events(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = &self.survey.events;
        writeln!(f, "  people    {}; items {}", events.people.words(), events.items.words())?;
        self.write_times(f)?;
        if !events.types.is_empty() {
            for (name, rows) in events.types.iter().take(20) {
                let shown = Foreign::name(name);
                match self.meaning.types.of(name) {
                    Ok(event_type) => writeln!(f, "  type      {shown} -> {event_type}: {rows}")?,
                    Err(why) => {
                        let why = Foreign::text(&why);
                        writeln!(f, "  type      {shown}: {rows} refused: {why}")?;
                    }
                }
            }
        } else if self.meaning.ratings.is_none() {
            writeln!(
                f,
                "  type      none; every row is of type {} (--type)",
                self.meaning.default_type
            )?;
        }
        self.write_ratings(f)?;
        if events.with_value > 0 {
            writeln!(f, "  value     in {}", of(events.with_value, "row"))?;
        }
        Ok(())
    }

    fn write_times(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = &self.survey.events;
        match events.span {
            Some((first, last)) => writeln!(f, "  times     {first} to {last}")?,
            None => writeln!(f, "  times     in no row")?,
        }
        for (form, rows) in &events.time_forms {
            let zone = match form {
                super::times::TimeForm::Local | super::times::TimeForm::Date => {
                    format!(", read in {} (--timezone)", self.zone)
                }
                _ => String::new(),
            };
            writeln!(f, "            {}: {rows}{zone}", form.words())?;
        }
        if events.without_time > 0 {
            let time = self.survey.default_time.map(|time| time.to_string()).unwrap_or_default();
            writeln!(
                f,
                "            none: {}, taken for {time} (--default-time)",
                events.without_time
            )?;
        }
        Ok(())
    }

    fn write_ratings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratings = &self.survey.events.ratings;
        let (Some((low, _)), Some((high, _))) =
            (ratings.first_key_value(), ratings.last_key_value())
        else {
            return Ok(());
        };
        let Some(rule) = &self.meaning.ratings else {
            return writeln!(f, "  rating    {low} to {high}: not used, as rows have types");
        };
        let (mut above, mut below) = (0, 0);
        for (rating, rows) in ratings {
            if *rating >= rule.min { above += rows } else { below += rows }
        }
        let lower = match &rule.below {
            Some(event_type) => format!("below that {event_type}: {below}"),
            None => format!("below that nothing: {below} (--rating-below)"),
        };
        writeln!(
            f,
            "  rating    {low} to {high}; from {} on {}: {above}; {lower} (--rating-min)",
            rule.min, rule.above
        )
    }
}

impl Display for CheckReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let survey = self.survey;
        let kind = if survey.mapping.kind == Kind::Events { "events" } else { "items" };
        writeln!(
            f,
            "{}: {}; {} of {kind}",
            survey.path.display(),
            survey.description,
            of(survey.rows, "row")
        )?;
        for (column, field) in self.fields() {
            writeln!(f, "  column    {} -> {}", Foreign::name(column), field.name())?;
        }
        if survey.mapping.kind == Kind::Items {
            let taken = |column: &str| self.fields().any(|(other, _)| other == column);
            for column in survey.columns.iter().filter(|c| !c.is_empty() && !taken(c)) {
                let what = match column.as_str() {
                    OFFER => "the item's offer, where it is a JSON object; else an attribute",
                    _ => "an attribute",
                };
                writeln!(f, "  column    {} -> {what}", Foreign::name(column))?;
            }
            writeln!(f, "  items     {}", survey.items.items.words())?;
            if survey.items.untitled > 0 {
                writeln!(f, "            named after their ids: {}", survey.items.untitled)?;
            }
            if survey.items.cut > 0 {
                writeln!(f, "            texts cut to 1,000 bytes: {}", survey.items.cut)?;
            }
        } else {
            self.write_events(f)?;
        }
        for (column, why) in survey.mapping.unused(&survey.columns) {
            writeln!(f, "  ignored   {}: {}", Foreign::name(&column), Foreign::text(&why))?;
        }
        if survey.repeated_headers > 0 {
            writeln!(
                f,
                "  ignored   the header where it comes again: {}",
                survey.repeated_headers
            )?;
        }
        for line in survey.refused.lines() {
            writeln!(f, "  refused   {line}")?;
        }
        for row in survey.first_rows.iter().filter(|_| self.shows_rows) {
            let cells: Vec<String> =
                row.iter().map(|cell| Foreign::name(cell).to_string()).collect();
            writeln!(f, "  row       {}", cells.join(" | "))?;
        }
        Ok(())
    }
}
