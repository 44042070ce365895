//! Which column is which field, and what is not used.

use anyhow::{Result, bail};
use crossfold_lab::output::{Foreign, ForeignNames};

use super::usual_names::{Field, is_added};

/// What the rows of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What users did.
    Events,
    /// The catalogue.
    Items,
}

/// Which column is which field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// What the rows are.
    pub(crate) kind: Kind,
    /// Fields with the places of their columns.
    fields: Vec<(Field, usize)>,
    /// How many columns were looked at.
    width: usize,
}

impl Mapping {
    /// Recognises columns by their names, and by `map`, which holds where it names a column
    /// of these: another file may have the others ([`check_map`]).
    ///
    /// # Errors
    /// When neither users nor items can be found, a name is no field, or two columns have
    /// the same name.
    pub(crate) fn of(
        columns: &[String],
        map: &[(String, String)],
        forced: Option<Kind>,
    ) -> Result<Self> {
        let named = named_columns(columns, map)?;
        let has = |field: Field| {
            named.iter().any(|(other, _)| *other == field)
                || columns.iter().any(|column| field.rank(column, false).is_some())
        };
        let kind = forced.unwrap_or(if has(Field::User) { Kind::Events } else { Kind::Items });
        let candidates: &[Field] = match kind {
            Kind::Events => &Field::OF_EVENTS,
            Kind::Items => &Field::OF_ITEMS,
        };
        let mut fields = Vec::new();
        for field in candidates {
            let by_hand = named.iter().find(|(other, _)| other == field).map(|(_, at)| *at);
            let found = match by_hand {
                Some(at) => Some(at),
                None => recognised(*field, columns, &named, kind)?,
            };
            fields.extend(found.map(|at| (*field, at)));
        }
        let mapping = Self { kind, fields, width: columns.len() };
        mapping.check(columns, map)?;
        Ok(mapping)
    }

    fn check(&self, columns: &[String], map: &[(String, String)]) -> Result<()> {
        let needed: &[Field] = match self.kind {
            Kind::Events => &[Field::User, Field::Item],
            Kind::Items => &[Field::Item],
        };
        for field in needed {
            if self.column(*field).is_none() {
                let name = field.name();
                if let Some(absent) = map.iter().find(|(mapped, _)| mapped == name) {
                    bail!("{}", no_such_column(absent, columns));
                }
                bail!(
                    "no column is known as {name} among {}; say which it is: --map {name}=COLUMN",
                    ForeignNames(columns)
                );
            }
        }
        Ok(())
    }

    /// The place of a field's column.
    pub(crate) fn column(&self, field: Field) -> Option<usize> {
        self.fields.iter().find(|(other, _)| *other == field).map(|(_, at)| *at)
    }

    /// What the file calls a field's column.
    pub(crate) fn name<'a>(&self, field: Field, columns: &'a [String]) -> Option<&'a str> {
        self.column(field).and_then(|at| columns.get(at)).map(String::as_str)
    }

    /// The field that a column is, if it is one.
    pub(crate) fn field(&self, column: usize) -> Option<Field> {
        self.fields.iter().find(|(_, at)| *at == column).map(|(field, _)| *field)
    }

    /// How many columns were looked at: where JSON brings more, they are looked at again.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The columns that are not used, each with why, or what would use it.
    pub(crate) fn unused(&self, columns: &[String]) -> Vec<(String, String)> {
        let unused = columns.iter().enumerate().filter(|(at, _)| self.field(*at).is_none());
        unused
            .filter(|(_, column)| {
                !is_added(column) && (self.kind == Kind::Events || column.is_empty())
            })
            .map(|(at, column)| {
                let other = Field::OF_EVENTS
                    .into_iter()
                    .find(|field| field.rank(column, false).is_some())
                    .and_then(|field| Some((field, self.column(field)?)));
                let why = match other {
                    _ if column.is_empty() => "it has no name".to_owned(),
                    Some((field, taken)) => format!(
                        "{} is taken from {}; --map {}={column} takes it from here",
                        field.name(),
                        columns[taken],
                        field.name()
                    ),
                    None => "no field of an event".to_owned(),
                };
                let name =
                    if column.is_empty() { format!("column {}", at + 1) } else { column.clone() };
                (name, why)
            })
            .collect()
    }
}

/// Whether each column that `--map` names is one of some file, of which these are the columns.
///
/// # Errors
/// When one is none of any.
pub(crate) fn check_map(map: &[(String, String)], files: &[&[String]]) -> Result<()> {
    let absent = map
        .iter()
        .find(|(_, column)| files.iter().all(|columns| places_of(column, columns).is_empty()));
    let Some(absent) = absent else { return Ok(()) };
    match files {
        [columns] => bail!("{}", no_such_column(absent, columns)),
        _ => {
            let all: Vec<String> = files.iter().flat_map(|columns| columns.to_vec()).collect();
            bail!("{} in any of the files", no_such_column(absent, &all))
        }
    }
}

fn no_such_column((name, column): &(String, String), columns: &[String]) -> String {
    format!("--map {name}={column}: there is no such column, but {}", ForeignNames(columns))
}

/// The columns that `--map` names, of those that are there.
fn named_columns(columns: &[String], map: &[(String, String)]) -> Result<Vec<(Field, usize)>> {
    let mut named = Vec::new();
    for (name, column) in map {
        let Some(field) = Field::named(name) else {
            let fields: Vec<&str> = Field::all().map(Field::name).collect();
            bail!(
                "--map {name}={column}: there is no field {name}; the fields are {}",
                fields.join(", ")
            );
        };
        match places_of(column, columns).as_slice() {
            [] => {}
            [at] => named.push((field, *at)),
            _ => bail!("{}", said_twice(column)),
        }
    }
    Ok(named)
}

/// Where a column is that is named so; in any case where none is named exactly so.
fn places_of(column: &str, columns: &[String]) -> Vec<usize> {
    let exact = places(columns, |other| other == column);
    if exact.is_empty() {
        return places(columns, |other| other.eq_ignore_ascii_case(column));
    }
    exact
}

fn places(columns: &[String], is_it: impl Fn(&str) -> bool) -> Vec<usize> {
    columns.iter().enumerate().filter(|(_, c)| is_it(c)).map(|(at, _)| at).collect()
}

fn said_twice(column: &str) -> String {
    let column = Foreign::name(column);
    format!(
        "line 1: two columns are called {column}; name every column with --columns (a - leaves one out), after taking the header away"
    )
}

/// The column with the best of a field's usual names.
fn recognised(
    field: Field,
    columns: &[String],
    named: &[(Field, usize)],
    kind: Kind,
) -> Result<Option<usize>> {
    let ranked = columns.iter().enumerate().filter_map(|(at, column)| {
        let is_named = named.iter().any(|(_, other)| *other == at);
        let rank = field.rank(column, kind == Kind::Items).filter(|_| !is_named)?;
        Some((rank, at))
    });
    let ranked: Vec<(usize, usize)> = ranked.collect();
    let Some(best) = ranked.iter().min() else { return Ok(None) };
    if ranked.iter().any(|other| other.0 == best.0 && other.1 != best.1) {
        bail!("{}", said_twice(&columns[best.1]));
    }
    Ok(Some(best.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    fn recognise(text: &str) -> Vec<(&'static str, usize)> {
        let mapping = Mapping::of(&columns(text), &[], None).unwrap();
        mapping.fields.iter().map(|(field, at)| (field.name(), *at)).collect()
    }

    #[test]
    fn the_headers_of_known_formats_are_recognised() {
        let cases: [(&str, &[(&str, usize)]); 7] = [
            (
                "userId,movieId,rating,timestamp",
                &[("user_id", 0), ("item_id", 1), ("occurred_at", 3), ("rating", 2)],
            ),
            (
                "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE",
                &[("user_id", 0), ("item_id", 1), ("type", 3), ("occurred_at", 2)],
            ),
            (
                "user_id:token,item_id:token,timestamp:float",
                &[("user_id", 0), ("item_id", 1), ("occurred_at", 2)],
            ),
            (
                "FeedbackType,UserId,ItemId,Timestamp,Comment",
                &[("user_id", 1), ("item_id", 2), ("type", 0), ("occurred_at", 3)],
            ),
            (
                "event_time,event_type,product_id,category_id,brand,price,user_id,user_session",
                &[("user_id", 6), ("item_id", 2), ("type", 1), ("occurred_at", 0), ("value", 5)],
            ),
            (
                "timestamp,visitorid,event,itemid,transactionid",
                &[("user_id", 1), ("item_id", 3), ("type", 2), ("occurred_at", 0)],
            ),
            ("id,title,genres", &[("item_id", 0), ("title", 1), ("categories", 2)]),
        ];
        for (header, expected) in cases {
            assert_eq!(recognise(header), expected, "{header}");
        }
    }

    #[test]
    fn what_is_not_used_is_said_with_what_would_use_it() {
        let columns = columns(",user_id,item_id,timestamp,created_at,brand,refused_line");
        let mapping = Mapping::of(&columns, &[], None).unwrap();
        let unused = mapping.unused(&columns);
        let names: Vec<&str> = unused.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["column 1", "created_at", "brand"]);
        assert!(unused[1].1.contains("--map occurred_at=created_at"), "{}", unused[1].1);
    }

    #[test]
    fn a_map_holds_over_names_and_is_checked() {
        let header = columns("user_id,Wer,item_id,x");
        let map = |field: &str, column: &str| vec![(field.to_owned(), column.to_owned())];
        let mapping = Mapping::of(&header, &map("user_id", "wer"), None).unwrap();
        assert_eq!(mapping.column(Field::User), Some(1));
        let error = Mapping::of(&header, &map("user", "Wer"), None).unwrap_err().to_string();
        assert!(error.contains("no field user; the fields are user_id, item_id, type"), "{error}");
        let error = check_map(&map("value", "y"), &[&header]).unwrap_err().to_string();
        assert!(error.ends_with("no such column, but user_id, Wer, item_id, x"), "{error}");
        let needed = Mapping::of(&columns("user_id,x"), &map("item_id", "y"), None);
        let error = needed.unwrap_err().to_string();
        assert!(error.contains("--map item_id=y: there is no such column"), "{error}");
    }

    #[test]
    fn a_map_counts_for_the_files_that_have_its_column_and_fails_if_none_has() {
        let (items, events) = (columns("课程,价钱"), columns("学员,课程"));
        let map = vec![("price".to_owned(), "价钱".to_owned())];
        let of = |columns: &[String]| Mapping::of(columns, &map, None).unwrap();
        assert_eq!(of(&items).column(Field::Price), Some(1));
        assert_eq!(of(&events).kind, Kind::Events);
        check_map(&map, &[&items, &events]).unwrap();
        let error = check_map(&map, &[&events, &events]).unwrap_err().to_string();
        assert!(error.ends_with("in any of the files"), "{error}");
    }

    #[test]
    fn what_is_missing_or_ambiguous_is_an_error_that_names_the_option() {
        for (header, option) in [
            ("user_id,thing", "--map item_id=COLUMN"),
            ("user_id,item_id,item_id", "--columns"),
            ("a,b", "--map item_id=COLUMN"),
        ] {
            let error = Mapping::of(&columns(header), &[], None).unwrap_err().to_string();
            assert!(error.contains(option), "{header}: {error}");
        }
    }
}
