//! From rows to items of the catalogue.

use std::collections::BTreeMap;

use crossfold_core::entities::catalogue::ItemDetails;
use crossfold_core::entities::ids::ItemId;
use crossfold_core::entities::plausible_time::is_plausible;
use serde_json::{Map, Value};

use super::amounts::amount;
use super::mapping::Mapping;
use super::row::{Cell, Fault, Row};
use super::times::TimeReader;
use super::usual_names::{Field, is_added};

/// The column that holds offers, each a JSON object as the API takes it.
pub(crate) const OFFER: &str = "offer";
/// Most bytes of a text of an item; what is longer is cut, and counted.
const MAX_TEXT: usize = 1_000;
/// What MovieLens writes where there is no genre.
const NO_CATEGORY: &str = "(no genres listed)";

/// Reads what a row says of an item.
pub(crate) struct ItemReader {
    /// Which column is which field; every other is an attribute.
    pub(crate) mapping: Mapping,
    /// How times are read.
    pub(crate) times: TimeReader,
}

/// An item, ready to be posted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ItemDraft {
    /// Its identifier.
    pub(crate) item_id: String,
    /// The item as the API takes it.
    pub(crate) json: Value,
    /// Whether it had no title, and is named after its identifier.
    pub(crate) is_untitled: bool,
    /// How many of its texts were cut.
    pub(crate) cut: u64,
}

impl ItemReader {
    /// Reads a row.
    ///
    /// # Errors
    /// What is wrong with it, and in which column.
    pub(crate) fn read(&self, row: &Row, columns: &[String]) -> Result<ItemDraft, Fault> {
        if let Some(fault) = &row.fault {
            return Err(fault.clone());
        }
        let cell = |field: Field| self.mapping.column(field).map(|at| row.cell(at));
        let in_field = |field: Field, kind: String| {
            let found = cell(field).unwrap_or(&Cell::Missing);
            let fault = Fault::of_cell(kind, found);
            match self.mapping.name(field, columns) {
                Some(column) => fault.in_column(column),
                None => fault,
            }
        };
        let text = |field: Field| cell(field).and_then(Cell::text);
        let item_id = text(Field::Item)
            .ok_or_else(|| in_field(Field::Item, "item_id is missing".into()))?
            .into_owned();
        ItemId::parse(&item_id).map_err(|error| in_field(Field::Item, error.to_string()))?;
        let mut cut = 0;
        let mut item = Map::new();
        let title = text(Field::Title);
        let is_untitled = title.is_none();
        let title = title.map_or_else(|| item_id.clone(), |title| shortened(&title, &mut cut));
        item.insert("title".into(), title.into());
        if let Some(cell) = cell(Field::Categories) {
            let is_words = self
                .mapping
                .name(Field::Categories, columns)
                .is_some_and(|column| column.ends_with(":token_seq"));
            let categories = categories(cell, is_words);
            if !categories.is_empty() {
                item.insert("categories".into(), categories.into());
            }
        }
        if let Some(price) = text(Field::Price) {
            let price =
                amount(&price).map_err(|why| in_field(Field::Price, format!("price {why}")))?;
            item.insert("price".into(), price.to_string().into());
        }
        let status = self.status(row).map_err(|kind| in_field(Field::Status, kind))?;
        item.extend(status.map(|status| ("status".to_owned(), status.into())));
        for (field, name) in [(Field::From, "available_from"), (Field::Until, "available_until")] {
            let time = self.times.read(cell(field).unwrap_or(&Cell::Missing));
            let time = time.map_err(|why| in_field(field, format!("{name} {why}")))?;
            // What ends in a year beyond all others is meant for ever.
            let time = time.filter(|(time, _)| field != Field::Until || is_plausible(*time));
            item.extend(time.map(|(time, _)| (name.to_owned(), time.to_string().into())));
        }
        if let Some(offer) = offer(row, columns)? {
            item.insert(OFFER.into(), offer);
        }
        let attributes = self.attributes(row, columns, &mut cut);
        if !attributes.is_empty() {
            item.insert("attributes".into(), serde_json::to_value(attributes).unwrap_or_default());
        }
        ItemDetails::parse(Value::Object(item.clone()))
            .map_err(|error| Fault::of_row(error.to_string()))?;
        item.insert("item_id".into(), item_id.clone().into());
        Ok(ItemDraft { item_id, json: item.into(), is_untitled, cut })
    }

    /// The status, of the column that names it or of the one that says whether the item
    /// is hidden.
    fn status(&self, row: &Row) -> Result<Option<&'static str>, String> {
        let text = |field: Field| self.mapping.column(field).and_then(|at| row.cell(at).text());
        if let Some(hidden) = text(Field::Hidden) {
            let is_hidden = ["true", "1", "yes", "y"].contains(&&*hidden.to_lowercase());
            return Ok(is_hidden.then_some("hidden"));
        }
        let Some(status) = text(Field::Status) else { return Ok(None) };
        Ok(Some(match status.to_lowercase().replace([' ', '-'], "_").as_str() {
            "active" | "available" | "in_stock" | "published" | "enabled" | "live" | "在售"
            | "上架" | "有货" => "active",
            "hidden" | "inactive" | "disabled" | "draft" | "unpublished" | "archived" | "下架"
            | "隐藏" | "停售" => "hidden",
            "out_of_stock" | "sold_out" | "unavailable" | "缺货" | "售罄" | "无货" => {
                "out_of_stock"
            }
            _ => return Err("status must be active, hidden or out_of_stock".into()),
        }))
    }

    /// Every other column that has a text, under its own name.
    fn attributes(&self, row: &Row, columns: &[String], cut: &mut u64) -> BTreeMap<String, String> {
        let others = columns.iter().enumerate().filter(|(at, column)| {
            let is_offer = column.as_str() == OFFER && offer_text(row.cell(*at)).is_some();
            self.mapping.field(*at).is_none()
                && !column.is_empty()
                && !is_added(column)
                && !is_offer
        });
        others
            .filter_map(|(at, column)| {
                let text = row.cell(at).text()?;
                let name = column.split_once(':').map_or(column.as_str(), |(name, _)| name);
                // Within an object as the API takes it, that is how they are called.
                let name = name.strip_prefix("attributes.").unwrap_or(name);
                Some((shortened(name, cut), shortened(&text, cut)))
            })
            .collect()
    }
}

/// The offer of a row, where it has one: what begins as an object must be one.
fn offer(row: &Row, columns: &[String]) -> Result<Option<Value>, Fault> {
    let at = columns.iter().position(|column| column == OFFER);
    let Some((cell, text)) = at.and_then(|at| offer_text(row.cell(at))) else { return Ok(None) };
    serde_json::from_str(text).map(Some).map_err(|_| {
        let rule = "offer must be a JSON object, as docs/offers.md has it";
        Fault::of_cell(rule, cell).in_column(OFFER)
    })
}

/// A cell that begins as an object does; any other is an attribute.
fn offer_text(cell: &Cell) -> Option<(&Cell, &str)> {
    match cell {
        Cell::Json(text) | Cell::Text(text) => text.trim().starts_with('{').then_some((cell, text)),
        _ => None,
    }
}

/// A text of at most [`MAX_TEXT`] bytes on one line.
fn shortened(text: &str, cut: &mut u64) -> String {
    let text = &on_one_line(text);
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    *cut += 1;
    let end = (0..=MAX_TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    text[..end].to_owned()
}

/// A text with spaces in the place of control characters: what a file holds in a cell may
/// have lines.
fn on_one_line(text: &str) -> String {
    text.replace("\r\n", " ").replace(char::is_control, " ")
}

/// Categories as a list, or as a text with `|` or `;` between them.
fn categories(cell: &Cell, is_words: bool) -> Vec<String> {
    let texts: Vec<String> = match cell {
        Cell::List(texts) => texts.clone(),
        _ => {
            let text = cell.text().unwrap_or_default().into_owned();
            if let Ok(list) = serde_json::from_str::<Vec<String>>(&text.replace('\'', "\"")) {
                list
            } else {
                let separator = match text.as_str() {
                    text if text.contains('|') => '|',
                    text if text.contains(';') => ';',
                    _ if is_words => ' ',
                    _ => '\u{1f}',
                };
                text.split(separator).map(str::to_owned).collect()
            }
        }
    };
    let texts = texts.into_iter().map(|text| on_one_line(&text).trim().to_owned());
    texts.filter(|text| !text.is_empty() && text != NO_CATEGORY).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::mapping::Kind;
    use super::*;

    fn read(header: &[&str], cells: Vec<Cell>) -> Result<ItemDraft, Fault> {
        let columns: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
        let reader = ItemReader {
            mapping: Mapping::of(&columns, &[], Some(Kind::Items)).unwrap(),
            times: TimeReader::new(jiff::tz::TimeZone::UTC, None),
        };
        reader.read(&Row { line: 2, cells, fault: None }, &columns)
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.into())
    }

    #[test]
    fn an_item_has_what_its_row_says_and_numbers_are_exact() {
        let header = ["movieId", "title", "genres", "price", "status", "brand", "year"];
        let cells = vec![
            text("31"),
            text("Dangerous Minds (1995)"),
            text("Drama|School"),
            Cell::Number("12345678901234567890.10".into()),
            text("Sold Out"),
            text("acme"),
            Cell::Number("1995".into()),
        ];
        let item = read(&header, cells).unwrap();
        assert_eq!(
            item.json,
            json!({
                "item_id": "31", "title": "Dangerous Minds (1995)",
                "categories": ["Drama", "School"], "price": "12345678901234567890.10",
                "status": "out_of_stock", "attributes": {"brand": "acme", "year": "1995"},
            })
        );
    }

    #[test]
    fn a_status_is_read_in_the_words_that_shops_have_for_it() {
        for (word, status) in [
            ("In stock", "active"),
            ("在售", "active"),
            ("下架", "hidden"),
            ("缺货", "out_of_stock"),
            ("售罄", "out_of_stock"),
        ] {
            let item =
                read(&["item_id", "title", "status"], vec![text("1"), text("t"), text(word)]);
            assert_eq!(item.unwrap().json["status"], status, "{word}");
        }
    }

    #[test]
    fn items_of_gorse_are_read() {
        let header = ["ItemId", "IsHidden", "Categories", "Labels.x", "Timestamp", "Comment"];
        let cells = vec![
            text("31"),
            Cell::Bool(true),
            Cell::List(vec!["a".into()]),
            Cell::Number("1".into()),
            text("2022-01-01T00:00:00Z"),
            text("c"),
        ];
        let item = read(&header, cells).unwrap();
        assert!(item.is_untitled);
        assert_eq!(item.json["title"], "31");
        assert_eq!(item.json["status"], "hidden");
        assert_eq!(item.json["categories"], json!(["a"]));
        assert_eq!(item.json["attributes"]["Comment"], "c");
    }

    #[test]
    fn what_is_missing_is_left_out_and_what_is_too_long_is_cut() {
        let item = read(&["item_id", "title", "price"], vec![text("31"), text(""), Cell::Missing])
            .unwrap();
        assert_eq!(item.json, json!({"item_id": "31", "title": "31"}));
        let long = "é".repeat(600);
        let item =
            read(&["item_id", "title", "description"], vec![text("1"), text(&long), text(&long)]);
        let item = item.unwrap();
        assert_eq!((item.json["title"].as_str().unwrap().len(), item.cut), (1_000, 2));
    }

    #[test]
    fn an_offer_is_taken_whole_and_a_broken_one_is_no_attribute() {
        let offer = json!({"kind": "loan", "annual_rate": "0.05", "terms_months": [12],
            "fees": [{"name": "f", "amount": "1", "due": "start"}]});
        for cell in [Cell::Json(offer.to_string()), text(&offer.to_string())] {
            let item = read(&["item_id", "price", "offer"], vec![text("1"), text("9000"), cell]);
            let item = item.unwrap().json;
            assert_eq!((&item["offer"], item.get("attributes")), (&offer, None));
        }
        let broken = read(&["item_id", "offer"], vec![text("1"), text("{\"kind\": ")]);
        assert!(broken.is_err());
        // What a shop calls an offer.
        let other = read(&["item_id", "offer"], vec![text("1"), text("20 % off")]).unwrap().json;
        assert_eq!(other["attributes"], json!({"offer": "20 % off"}));
    }

    #[test]
    fn lines_become_one_and_an_end_that_says_for_ever_is_none() {
        let cells = vec![text("1"), text("a\r\nb\tc"), text("x\ny|z"), text("one\u{7}two")];
        let item = read(&["item_id", "title", "categories", "notes"], cells).unwrap();
        assert_eq!(item.json["title"], "a b c");
        assert_eq!(item.json["categories"], json!(["x y", "z"]));
        assert_eq!(item.json["attributes"]["notes"], "one two");
        let nested = read(&["item_id", "attributes.brand"], vec![text("1"), text("BYD")]);
        assert_eq!(nested.unwrap().json["attributes"], json!({"brand": "BYD"}));
        let cells = ["1", "N/A", "n/a", "none"].map(text).into();
        let unknown = read(&["item_id", "power", "price", "colour"], cells).unwrap();
        assert_eq!(unknown.json["attributes"], json!({"colour": "none"}));
        assert_eq!(unknown.json.get("price"), None);
        let until = read(&["item_id", "available_until"], vec![text("1"), text("9999-12-30")]);
        assert_eq!(until.unwrap().json, json!({"item_id": "1", "title": "1"}));
        let from = read(&["item_id", "available_from"], vec![text("1"), text("9999-12-30")]);
        assert!(from.unwrap_err().kind.contains("available_from"));
    }

    #[test]
    fn prices_are_read_as_people_write_them_and_faults_are_named() {
        for (price, expected) in [("9,99", "9.99"), ("$5", "5"), ("1e3", "1000")] {
            let item = read(&["item_id", "price"], vec![text("1"), text(price)]).unwrap();
            assert_eq!(item.json["price"], expected);
        }
        for (column, cell, word) in [
            ("price", text("-1"), "negative"),
            ("price", text("cheap"), "no number"),
            ("status", text("odd"), "active, hidden"),
            ("available_from", text("soon"), "available_from"),
        ] {
            let fault = read(&["item_id", column], vec![text("1"), cell]).unwrap_err();
            assert!(fault.kind.contains(word), "{}", fault.kind);
        }
        assert!(read(&["item_id", "title"], vec![Cell::Missing, text("x")]).is_err());
    }

    #[test]
    fn categories_come_in_many_forms() {
        let of = |text: &str| categories(&Cell::Text(text.into()), false);
        assert_eq!(of("A|B"), ["A", "B"]);
        assert_eq!(of("A; B"), ["A", "B"]);
        assert_eq!(of("['A', 'B']"), ["A", "B"]);
        assert_eq!(of("Books, Music"), ["Books, Music"]);
        assert_eq!(of("(no genres listed)"), [""; 0]);
        assert_eq!(categories(&Cell::Text("A B".into()), true), ["A", "B"]);
    }
}
