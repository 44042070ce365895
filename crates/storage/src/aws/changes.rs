//! What the tables' streams tell: batches of records, as Lambda hands them on
//! (and the embedded servers in the same shape), and what was new in them.
//!
//! Only new records are told. What TTL or an erasure removes is not, and nothing
//! that the tables' streams are read for is ever modified.

use crossfold_core::entities::decision::{Decision, Outcome};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_core::entities::ports::{StoreError, StoreResult};
use crossfold_core::entities::records::Record;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_dynamo::Item;
use serde_json::Value;

use super::decisions::{DecisionRecord, PACKED, RECORD, unpacked};
use super::error::corrupt;
use super::events::EventRecord;
use super::rekeyed_events::REKEYED;

/// A batch of one table's stream: the event of a Lambda function.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StreamBatch {
    /// The records, in the order of the stream.
    #[serde(rename = "Records")]
    pub records: Vec<StreamRecord>,
}

/// One record of a stream, as it was handed over: whatever is in it, it can be
/// kept and shown. What it tells is read when it is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamRecord(Value);

/// What was new in the table of events or of decisions.
#[derive(Debug, Clone, PartialEq)]
pub enum NewEntry {
    /// An event was accepted.
    Event(Event),
    /// A slate was served.
    Decision(Box<Decision>),
    /// An outcome was accepted.
    Outcome(Outcome),
}

impl StreamRecord {
    /// Where the record stands in its stream, for reading on after it.
    #[must_use]
    pub fn sequence_number(&self) -> Option<&str> {
        self.0["dynamodb"]["SequenceNumber"].as_str()
    }

    /// Whether the record tells of something new.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.0["eventName"] == "INSERT"
    }

    /// Whether the record is said to tell of something old: what was changed, or is gone.
    fn is_old(&self) -> bool {
        ["MODIFY", "REMOVE"].iter().any(|kind| self.0["eventName"] == *kind)
    }

    /// Whose the record is, as far as can be told also where the rest cannot be read: the
    /// partition of an event, the user that a slate or an outcome names.
    #[must_use]
    pub fn user(&self) -> Option<Pseudonym> {
        let named = match self.decision_or_outcome() {
            Some(record) => {
                let record: Value = serde_json::from_str(&record).ok()?;
                Pseudonym::parse(record["user"].as_str()?)
            }
            None => Pseudonym::parse(self.key("pk").or_else(|| self.image_text("user"))?),
        };
        named.ok()
    }

    /// The domain that the record names, as far as can be told.
    #[must_use]
    pub fn domain(&self) -> Option<DomainId> {
        let named = match self.decision_or_outcome() {
            Some(record) => {
                let record: Value = serde_json::from_str(&record).ok()?;
                DomainId::parse(record["domain"].as_str()?)
            }
            None => DomainId::parse(self.image_text("domain")?),
        };
        named.ok()
    }

    /// When the record was written, to the second or only to the minute, never later than it was.
    #[must_use]
    pub fn written_at(&self) -> Option<Timestamp> {
        let seconds = self.0["dynamodb"]["ApproximateCreationDateTime"].as_f64()?;
        Timestamp::from_second(seconds.floor() as i64).ok()
    }

    /// What was new in the table of events or of decisions; `None` when it is
    /// nothing that is archived, such as a dismissal.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the record cannot be read.
    pub fn new_entry(&self) -> StoreResult<Option<NewEntry>> {
        if self.is_old() {
            return Ok(None);
        }
        if !self.is_new() {
            return Err(corrupt("a stream's record", "it does not say what happened"));
        }
        let image = Item::deserialize(&self.0["dynamodb"]["NewImage"])
            .map_err(|error| corrupt("a stream's record", error))?;
        // What was moved to another partition was told when it was new.
        if image.contains_key(REKEYED) {
            return Ok(None);
        }
        // The tables share a function; only one has whole records in an attribute.
        if ![PACKED, RECORD].iter().any(|name| image.contains_key(*name)) {
            return Ok(EventRecord::parse(image)?.map(|record| NewEntry::Event(record.event)));
        }
        Ok(DecisionRecord::parse(image)?.map(|record| match record {
            DecisionRecord::Decision(decision) => NewEntry::Decision(decision),
            DecisionRecord::Outcome(outcome) => NewEntry::Outcome(outcome),
        }))
    }

    /// The id of the record of kind `T` that was created in the table `control`;
    /// `None` when it is of another kind, or not new.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the id breaks its rule.
    pub fn created<T: Record>(&self) -> StoreResult<Option<T::Id>> {
        if !self.is_new() || self.key("pk") != Some(T::KIND) {
            return Ok(None);
        }
        let id = self.key("sk").ok_or_else(|| corrupt("a created record", "it has no id"))?;
        id.parse()
            .map(Some)
            .map_err(|error| StoreError::corrupt(format!("{} {id:?}", T::KIND), error))
    }

    fn key(&self, name: &str) -> Option<&str> {
        self.0["dynamodb"]["Keys"][name]["S"].as_str()
    }

    /// The JSON of a slate or an outcome, as far as it can be read; `None` of what is neither.
    fn decision_or_outcome(&self) -> Option<String> {
        let image = &self.0["dynamodb"]["NewImage"];
        let Some(packed) = image[PACKED]["B"].as_str() else {
            return self.image_text(RECORD).map(str::to_owned);
        };
        let packed = data_encoding::BASE64.decode(packed.as_bytes()).unwrap_or_default();
        Some(unpacked(&packed).unwrap_or_default())
    }

    fn image_text(&self, name: &str) -> Option<&str> {
        self.0["dynamodb"]["NewImage"][name]["S"].as_str()
    }
}

#[cfg(test)]
mod tests {
    use crossfold_core::entities::definition::DomainDefinition;
    use crossfold_core::release::run::TrainingRun;
    use serde_json::json;

    use super::*;
    use crate::aws::decisions::packed;

    /// A record as DynamoDB Streams hands it to a function.
    fn recorded(kind: &str, keys: Value, image: Value) -> StreamRecord {
        let record = json!({
            "eventID": "c4ca4238a0b923820dcc509a6f75849b", "eventName": kind,
            "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "eu-west-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_780_272_000.0,
                "Keys": keys, "NewImage": image,
                "SequenceNumber": "4421584500000000017450439091",
                "SizeBytes": 26, "StreamViewType": "NEW_IMAGE",
            },
            "eventSourceARN": "arn:aws:dynamodb:eu-west-1:123456789012:table/t/stream/s",
        });
        serde_json::from_value(record).unwrap()
    }

    fn of_event(kind: &str) -> StreamRecord {
        let keys = json!({"pk": {"S": "v1_u"}, "sk": {"S": "event#e1"}});
        let image = json!({
            "pk": {"S": "v1_u"}, "sk": {"S": "event#e1"},
            "by_time": {"S": "2026-06-01T00:00:00.120Z#e1"},
            "ttl": {"N": "1843344001"}, "event_id": {"S": "e1"}, "user": {"S": "v1_u"},
            "domain": {"S": "knowledge"}, "event_type": {"S": "enrol"}, "item_id": {"S": "课程"},
            "occurred_at": {"S": "2026-06-01T00:00:00.12Z"},
            "received_at": {"S": "2026-06-01T00:00:01Z"},
            "value": {"S": "19.90"}, "dwell_seconds": {"N": "7"},
        });
        recorded(kind, keys, image)
    }

    fn of_decisions(sk: &str, record: &Value) -> StreamRecord {
        let image = json!({
            "pk": {"S": "r1"}, "sk": {"S": sk}, "record": {"S": record.to_string()},
            "ttl": {"N": "1843344001"},
        });
        recorded("INSERT", json!({"pk": {"S": "r1"}, "sk": {"S": sk}}), image)
    }

    #[test]
    fn a_record_is_told_the_same_compressed_and_not() {
        let outcome = json!({
            "feedback_id": "f1", "recommendation_id": "r1", "user": "v1_u", "kind": "click",
            "domain": "knowledge", "item_id": "课程", "occurred_at": "2026-06-01T00:00:00Z",
        });
        let plain = of_decisions("outcome#f1", &outcome);
        let packed = packed(outcome.to_string().as_bytes());
        let image = json!({
            "pk": {"S": "r1"}, "sk": {"S": "outcome#f1"}, "ttl": {"N": "1843344001"},
            "packed": {"B": data_encoding::BASE64.encode(&packed)},
        });
        let keys = json!({"pk": {"S": "r1"}, "sk": {"S": "outcome#f1"}});
        let packed = recorded("INSERT", keys.clone(), image);
        assert_eq!(packed.new_entry().unwrap(), plain.new_entry().unwrap());
        let named = (Pseudonym::parse("v1_u").ok(), DomainId::parse("knowledge").ok());
        assert_eq!((packed.user(), packed.domain()), named);
        // What is torn is neither told nor taken for something else.
        for torn in ["", "AAAA", "no base64"] {
            let image = json!({
                "pk": {"S": "r1"}, "sk": {"S": "outcome#f1"}, "packed": {"B": torn},
            });
            let torn = recorded("INSERT", keys.clone(), image);
            assert!(torn.new_entry().is_err());
            assert_eq!((torn.user(), torn.domain()), (None, None));
        }
    }

    #[test]
    fn a_new_event_is_told_as_it_was_stored() {
        let Some(NewEntry::Event(event)) = of_event("INSERT").new_entry().unwrap() else {
            panic!("no event");
        };
        assert_eq!((event.event_id.as_str(), event.item_id.as_str()), ("e1", "课程"));
        assert_eq!(
            (event.value.unwrap().to_string(), event.dwell_seconds),
            ("19.90".into(), Some(7))
        );
        assert_eq!(event.occurred_at.as_millisecond(), 1_780_272_000_120);
    }

    #[test]
    fn what_expires_or_is_erased_is_nothing_new() {
        for kind in ["REMOVE", "MODIFY"] {
            assert_eq!(of_event(kind).new_entry().unwrap(), None);
        }
        // A removal has no image at all.
        let keys = json!({"pk": {"S": "v1_u"}, "sk": {"S": "x"}});
        let removal: StreamRecord = serde_json::from_value(
            json!({"eventName": "REMOVE", "dynamodb": {"Keys": keys, "SequenceNumber": "1"}}),
        )
        .unwrap();
        assert_eq!(removal.sequence_number(), Some("1"));
        assert_eq!(removal.new_entry().unwrap(), None);
    }

    #[test]
    fn a_dismissal_is_nothing_to_archive() {
        let image = json!({
            "pk": {"S": "v1_u"}, "sk": {"S": "dismissed#travel#i"}, "by_domain": {"S": "knowledge"},
            "domain": {"S": "travel"}, "item_id": {"S": "i"},
        });
        let keys = json!({"pk": {"S": "v1_u"}, "sk": {"S": "dismissed#travel#i"}});
        assert_eq!(recorded("INSERT", keys, image).new_entry().unwrap(), None);
    }

    #[test]
    fn decisions_and_outcomes_are_told_apart_also_those_of_older_versions() {
        let decision = json!({
            "recommendation_id": "r1", "user": "v1_u", "domain": "knowledge",
            "decided_at": "2026-06-01T00:00:00Z", "policy": "ranked/1", "seed": 7,
            "personalised": false, "slate": [],
        });
        let told = of_decisions("decision", &decision).new_entry().unwrap();
        let Some(NewEntry::Decision(told)) = told else { panic!("{told:?}") };
        assert_eq!((told.recommendation_id.as_str(), told.seed), ("r1", 7));
        let outcome = json!({
            "feedback_id": "f1", "recommendation_id": "r1", "user": "v1_u", "kind": "click",
            "domain": "knowledge", "item_id": "i", "occurred_at": "2026-06-01T00:00:00Z",
        });
        let told = of_decisions("outcome#f1", &outcome).new_entry().unwrap();
        let Some(NewEntry::Outcome(told)) = told else { panic!("{told:?}") };
        assert_eq!((told.feedback_id.as_str(), told.received_at), ("f1", None));
        assert!(of_decisions("decision", &outcome).new_entry().is_err());
    }

    #[test]
    fn a_record_that_cannot_be_read_still_says_whose_it_is_and_when() {
        let read = |json: Value| serde_json::from_value::<StreamRecord>(json).unwrap();
        let mut event = serde_json::to_value(of_event("INSERT")).unwrap();
        event["dynamodb"]["NewImage"]["received_at"] = json!({"S": "noon"});
        let event = read(event);
        assert!(matches!(event.new_entry(), Err(StoreError::Corrupt(_))));
        assert_eq!(event.user().unwrap().as_str(), "v1_u");
        assert_eq!(event.domain().unwrap().as_str(), "knowledge");
        assert_eq!(event.written_at().unwrap().as_second(), 1_780_272_000);
        let outcome = json!({"user": "v1_u", "domain": "travel", "kind": "stare"});
        let outcome = of_decisions("outcome#f1", &outcome);
        assert!(outcome.new_entry().is_err());
        assert_eq!(outcome.user().unwrap().as_str(), "v1_u");
        assert_eq!(outcome.domain().unwrap().as_str(), "travel");
        for strange in [json!(7), json!({}), json!({"eventName": "INSERT"}), json!([])] {
            let strange = read(strange);
            assert!(strange.new_entry().is_err(), "{strange:?}");
            assert_eq!(
                (strange.user(), strange.domain(), strange.written_at()),
                (None, None, None)
            );
            assert_eq!(
                (strange.sequence_number(), strange.is_new() && strange.is_old()),
                (None, false)
            );
        }
    }

    #[test]
    fn a_created_record_is_told_by_its_kind_and_id() {
        let keys = |kind: &str, id: &str| json!({"pk": {"S": kind}, "sk": {"S": id}});
        let run = recorded("INSERT", keys("training-run", "r1"), json!({}));
        assert_eq!(run.created::<TrainingRun>().unwrap().unwrap().as_str(), "r1");
        assert_eq!(run.created::<DomainDefinition>().unwrap(), None);
        let modified = recorded("MODIFY", keys("training-run", "r1"), json!({}));
        assert_eq!(modified.created::<TrainingRun>().unwrap(), None);
        let broken = recorded("INSERT", keys("training-run", " "), json!({}));
        assert!(matches!(broken.created::<TrainingRun>(), Err(StoreError::Corrupt(_))));
    }
}
