//! What calls of DynamoDB take by the sizes of what they read and write, as its documentation has
//! it ("DynamoDB item sizes and formats", "Read and write operations" in the developer guide): those
//! that stand in for it count a query as one unit, whatever it reads.

use serde_json::Value;

/// Bytes that a read unit reads.
const READ_BYTES: usize = 4_096;
/// Bytes that a write unit writes.
const WRITE_BYTES: usize = 1_024;
/// What an item takes in the index of events by time, of which it has all, beside in the table.
const INDEXED: &str = "by_time";

/// The units that a call takes of a table, by what it asks and is answered. A call whose item is
/// not told in either, as that of an update is not, takes one.
pub(super) fn units(operation: &str, table: &str, asked: &Value, answer: &Value) -> f64 {
    match operation {
        "GetItem" => read(asked, std::slice::from_ref(&answer["Item"])),
        "Query" | "Scan" => {
            let bytes = elements(&answer["Items"]).map(size).sum();
            read_units(bytes, is_consistent(asked))
        }
        "BatchGetItem" => {
            let items = answer["Responses"][table].as_array().map_or(&[][..], Vec::as_slice);
            read(&asked["RequestItems"][table], items)
        }
        "PutItem" => write_units(&asked["Item"]),
        "BatchWriteItem" => elements(&asked["RequestItems"][table])
            .map(|one| write_units(&one["PutRequest"]["Item"]))
            .sum(),
        "TransactWriteItems" => {
            let actions = elements(&asked["TransactItems"]).filter_map(Value::as_object);
            let of_table = actions
                .flat_map(|item| item.values())
                .filter(|action| action["TableName"] == table);
            of_table.map(|action| 2.0 * write_units(&action["Item"])).sum()
        }
        _ => 1.0,
    }
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn is_consistent(asked: &Value) -> bool {
    asked["ConsistentRead"] == true
}

/// Items that are read one by one, each of its own units.
fn read(asked: &Value, items: &[Value]) -> f64 {
    let of_each = items.iter().map(|item| read_units(size(item), is_consistent(asked)));
    // One that is not there is looked for all the same.
    of_each.sum::<f64>().max(read_units(0, is_consistent(asked)))
}

fn read_units(bytes: usize, is_consistent: bool) -> f64 {
    let units = bytes.div_ceil(READ_BYTES).max(1) as f64;
    if is_consistent { units } else { units / 2.0 }
}

fn write_units(item: &Value) -> f64 {
    let units = size(item).div_ceil(WRITE_BYTES).max(1) as f64;
    if item.get(INDEXED).is_some() { 2.0 * units } else { units }
}

/// Bytes of an item: names and values.
fn size(item: &Value) -> usize {
    let attributes = item.as_object().into_iter().flatten();
    attributes.map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|object| object.iter().next()) else {
        return 0;
    };
    let text = |value: &Value| value.as_str().map_or(0, str::len);
    match kind.as_str() {
        "S" => text(value),
        // Two digits a byte, and one more.
        "N" => text(value).div_ceil(2) + 1,
        "B" => binary_size(value),
        "SS" => elements(value).map(text).sum(),
        "BS" => elements(value).map(binary_size).sum(),
        "L" => 3 + elements(value).map(|one| 1 + value_size(one)).sum::<usize>(),
        "M" => 3 + size(value),
        _ => 1,
    }
}

/// Bytes behind a text in base64.
fn binary_size(value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default();
    text.trim_end_matches('=').len() * 3 / 4
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_takes_what_the_documentation_says() {
        let item = |bytes: usize| json!({"pk": {"S": "u".repeat(bytes - 2)}});
        let consistent = json!({"ConsistentRead": true, "TableName": "t"});
        let read = |items: Vec<Value>, asked: &Value| {
            units("Query", "t", asked, &json!({ "Items": items }))
        };
        assert_eq!(read(vec![item(4_096)], &consistent), 1.0);
        assert_eq!(read(vec![item(4_096), item(3)], &consistent), 2.0);
        assert_eq!(read(vec![item(4_097)], &json!({})), 1.0);
        assert_eq!(read(vec![], &consistent), 1.0);
        assert_eq!(units("GetItem", "t", &consistent, &json!({})), 1.0);
        let put = |item: Value| units("PutItem", "t", &json!({ "Item": item }), &Value::Null);
        assert_eq!((put(item(1_024)), put(item(1_025))), (1.0, 2.0));
        let mut event = item(100);
        event["by_time"] = json!({"S": "2026"});
        assert_eq!(put(event), 2.0);
        let get = json!({"RequestItems": {"t": {"ConsistentRead": true}}});
        let got = json!({"Responses": {"t": [item(5_000), item(10)]}});
        assert_eq!(units("BatchGetItem", "t", &get, &got), 3.0);
        let write = json!({"TransactItems": [{"Put": {"TableName": "t", "Item": item(10)}},
            {"Put": {"TableName": "other", "Item": item(10)}}]});
        assert_eq!(units("TransactWriteItems", "t", &write, &Value::Null), 2.0);
    }

    #[test]
    fn a_value_takes_its_bytes() {
        for (value, bytes) in [
            (json!({"S": "汽车"}), 6),
            (json!({"N": "1234"}), 3),
            (json!({"B": "AAAA"}), 3),
            (json!({"B": "AA=="}), 1),
            (json!({"BOOL": true}), 1),
            (json!({"SS": ["a", "bc"]}), 3),
            (json!({"L": [{"S": "a"}]}), 5),
            (json!({"M": {"ab": {"S": "c"}}}), 6),
        ] {
            assert_eq!(value_size(&value), bytes, "{value}");
        }
    }
}
