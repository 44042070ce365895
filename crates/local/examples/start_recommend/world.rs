//! What is measured on: a domain with its catalogue, people who did something there, and a model.
//!
//! The rows are written by the production adapter, as the functions would write them. The model is
//! made up: factors drawn from a normal distribution, as large as fitted ones.

use std::collections::BTreeMap;

use anyhow::Result;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use crossfold_core::entities::catalogue::{ChangeNumber, Item, ItemDetails};
use crossfold_core::entities::definition::DomainDefinition;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::ids::{DomainId, ItemId, UserId};
use crossfold_core::entities::ports::{PutCondition, Stores};
use crossfold_core::entities::pseudonym::Pseudonymiser;
use crossfold_core::evidence::popularity::PeopleOfDomain;
use crossfold_core::model::manifest::{blob_key, manifest_key};
use crossfold_core::model::{ModelParts, Sections, decode_manifest};
use crossfold_core::release::champion::{POINTER_KEY, Pointer};
use crossfold_storage::aws::{self, StorageConfig, schema};
use crossfold_storage::{pseudonym_key, records};
use crossfold_testing::model::{artefact, model_parts_of};
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::services::PREFIX;

const TENANT: &str = "bench";
const DOMAIN: &str = "shop";
/// Items of one call, the most that the API takes.
const ITEMS_A_CALL: usize = 500;
/// People whose events are written at once.
const AT_ONCE: usize = 16;
const COLOURS: [&str; 3] = ["red", "green", "blue"];
const BRANDS: [&str; 7] = ["Aito", "BYD", "Geely", "Li", "NIO", "Volvo", "XPeng"];

/// How large it is.
pub(crate) struct Size {
    pub(crate) items: usize,
    pub(crate) factors: usize,
    pub(crate) users: usize,
    pub(crate) events: usize,
}

/// The world, in its stores.
pub(crate) struct World {
    pub(crate) size: Size,
    pub(crate) variables: Vec<(String, String)>,
    stores: Stores,
    domain: DomainId,
    keys: Pseudonymiser,
}

/// The secret that pseudonyms are made with.
pub(crate) fn secret() -> String {
    json!({ "version": 1, "key": "k".repeat(64) }).to_string()
}

impl World {
    /// The tables, in services that are empty.
    pub(crate) async fn found(url: &str, size: Size) -> Result<Self> {
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(url)
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .load()
            .await;
        let config = StorageConfig::with_prefix(PREFIX);
        schema::provision(&sdk, &config).await?;
        let own = [
            ("AWS_ENDPOINT_URL", url),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("CROSSFOLD_TENANT", TENANT),
            ("CROSSFOLD_PSEUDONYM_SECRET", "secret"),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let of_stores = config.variables().into_iter();
        let of_stores = of_stores.map(|(name, value)| (name.to_string(), value));
        Ok(Self {
            size,
            variables: of_stores.chain(own).collect(),
            stores: aws::stores(&sdk, &config),
            domain: DomainId::parse(DOMAIN)?,
            keys: pseudonym_key::parse(&secret(), TENANT)?,
        })
    }

    /// Writes the definition, and what people did.
    pub(crate) async fn settle(&self) -> Result<()> {
        let definition: DomainDefinition = serde_json::from_value(json!({
            "name": "A shop", "currency": "CNY", "event_types": {"take": {"weight": 1.0}},
            "attributes": {"brand": "text", "colour": "text"},
        }))?;
        records::put(&*self.stores.records, &self.domain, &definition).await?;
        let people = (0..self.size.users).map(|number| self.act(number));
        stream::iter(people).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
        Ok(())
    }

    /// What one person did, one thing a day.
    async fn act(&self, number: usize) -> Result<()> {
        let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
        let user = self.keys.pseudonym(&self.domain, &UserId::parse(&user_id(number))?);
        let now = Timestamp::now();
        let mut events = Vec::with_capacity(self.size.events);
        for day in 1..=self.size.events {
            let at = now - SignedDuration::from_hours(24 * day as i64);
            events.push(serde_json::from_value::<Event>(json!({
                "event_id": format!("event-{day}"), "user": user, "domain": self.domain,
                "event_type": "take", "item_id": item_id(rng.random_range(0..self.size.items)),
                "occurred_at": at, "received_at": at,
            }))?);
        }
        self.stores.events.append_all(&events).await?;
        Ok(())
    }

    /// Writes every item, in calls as large as the API takes; each time at another price.
    pub(crate) async fn load_catalogue(&self, time: usize) -> Result<()> {
        for first in (0..self.size.items).step_by(ITEMS_A_CALL) {
            let numbers = first..self.size.items.min(first + ITEMS_A_CALL);
            let items = numbers.map(|number| self.item(number, time));
            let items = items.collect::<Result<Vec<_>>>()?;
            self.stores.catalogue.put_all(&self.domain, &items).await?;
        }
        Ok(())
    }

    fn item(&self, number: usize, time: usize) -> Result<Item> {
        let brand = BRANDS[number % BRANDS.len()];
        let details = json!({
            "title": format!("{brand} item number {number}, for every day"),
            "categories": [format!("kind {}", number % 40)],
            "price": format!("{}.9{time}", 10 + number % 9_000),
            "attributes": {
                "brand": brand, "colour": COLOURS[number % COLOURS.len()],
                "description": format!("One of {} items that {brand} makes, and that this shop \
                    has in its catalogue for those who like such things.", self.size.items),
            },
        });
        Ok(Item {
            domain: self.domain.clone(),
            item_id: ItemId::parse(&item_id(number))?,
            details: Some(ItemDetails::parse(details)?),
            updated_at: Timestamp::now(),
            change: ChangeNumber(0),
        })
    }

    /// Stores a model of the catalogue and points to it; gives its bytes.
    pub(crate) async fn publish_model(&self) -> Result<usize> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let keys = (0..self.size.items)
            .map(|number| Ok((self.domain.clone(), ItemId::parse(&item_id(number))?)));
        let scale = 1.0 / (self.size.factors as f32).sqrt();
        // Twelve uniform draws are as good as a normal one here.
        let mut draw = || (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
        let shape = (self.size.items, self.size.factors);
        let factors = Array2::from_shape_simple_fn(shape, || scale * draw());
        let ModelParts { provenance, sections } =
            model_parts_of(keys.collect::<Result<_>>()?, factors);
        let popularity = (0..self.size.items).map(|row| 0.1 / (1.0 + (row % 997) as f32));
        let people = PeopleOfDomain { count: 100_000, weight: Some(100_000.0) };
        let sections = Sections {
            popularity: popularity.collect(),
            people: BTreeMap::from([(self.domain.clone(), people)]),
            ..sections
        };
        let model = artefact(&ModelParts { provenance, sections });
        let pointer = Pointer {
            model: Some(model.id.clone()),
            previous: None,
            promoted_at: Timestamp::now(),
            history: Vec::new(),
            retiring: Vec::new(),
            erasures: 0,
        };
        let bytes = model.blob.len();
        let sha256 = decode_manifest(&model.id, &model.manifest)?.blob.sha256;
        let objects = [
            (blob_key(&sha256), model.blob),
            (manifest_key(&model.id), model.manifest),
            (POINTER_KEY.to_owned(), serde_json::to_vec(&pointer)?.into()),
        ];
        for (key, bytes) in objects {
            self.stores.objects.put(&key, bytes, PutCondition::None).await?;
        }
        Ok(bytes)
    }

    /// The event of a person's request for a slate, as API Gateway hands it on.
    pub(crate) fn request(&self, number: usize) -> Result<Vec<u8>> {
        let user = user_id(number % self.size.users);
        let body = json!({ "user_id": user, "domain": DOMAIN, "limit": 10 });
        let (path, now) = ("/v1/recommendations", Timestamp::now());
        let claims = json!({
            "crossfold_domains": format!("[{DOMAIN}]"), "scope": "recommendations:read",
            "iss": "https://issuer.example.com/", "sub": "bench",
        });
        Ok(serde_json::to_vec(&json!({
            "version": "2.0", "routeKey": format!("POST {path}"), "rawPath": path,
            "rawQueryString": "", "isBase64Encoded": false, "body": body.to_string(),
            "headers": {"content-type": "application/json", "host": "api.example.com"},
            "requestContext": {
                "accountId": "000000000000", "apiId": "a1b2c3d4e5", "stage": "$default",
                "domainName": "api.example.com", "domainPrefix": "api",
                "requestId": format!("request-{number}"), "routeKey": format!("POST {path}"),
                "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
                "timeEpoch": now.as_millisecond(),
                "http": {
                    "method": "POST", "path": path, "protocol": "HTTP/1.1",
                    "sourceIp": "203.0.113.7", "userAgent": "bench",
                },
                "authorizer": {"jwt": {"claims": claims, "scopes": Value::Null}},
            },
        }))?)
    }
}

fn item_id(number: usize) -> String {
    format!("item-{number:07}")
}

fn user_id(number: usize) -> String {
    format!("user-{number:05}")
}
