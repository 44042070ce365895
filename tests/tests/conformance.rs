//! The production adapter keeps the ports' promises on servers that others wrote.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use crossfold_core::entities::ids::Pseudonym;
use crossfold_core::entities::people::{PeopleEntry, PeopleWrite};
use crossfold_core::entities::ports::{Committed, PutCondition};
use crossfold_e2e::ministack::{Ministack, sdk_config};
use crossfold_storage::aws::{self, StorageConfig, schema};
use crossfold_storage::conformance;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Names the URL of AWS's own DynamoDB Local, where there is one.
const DYNAMODB_LOCAL_VARIABLE: &str = "CROSSFOLD_DYNAMODB_LOCAL";

#[tokio::test(flavor = "multi_thread")]
async fn ministack_keeps_every_promise() {
    let ministack = Ministack::start().await.unwrap();
    let (sdk, config) = (ministack.sdk_config(), StorageConfig::with_prefix("conformance"));
    schema::provision(&sdk, &config).await.unwrap();
    schema::provision(&sdk, &config).await.unwrap();
    let stores = aws::stores(&sdk, &config);
    conformance::run_all(&stores).await.unwrap_or_else(|failures| panic!("{failures}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_local_keeps_every_promise_of_the_tables() {
    let Ok(endpoint) = std::env::var(DYNAMODB_LOCAL_VARIABLE) else {
        eprintln!("skipped: {DYNAMODB_LOCAL_VARIABLE} is not set");
        return;
    };
    let (sdk, config) = (sdk_config(&endpoint), StorageConfig::with_prefix("conformance"));
    schema::provision_tables(&sdk, &config).await.unwrap();
    let stores = aws::stores(&sdk, &config);
    conformance::run_tables(&stores).await.unwrap_or_else(|failures| panic!("{failures}"));
}

/// Passes bytes on between the SDK and a server. While armed, it hangs up on
/// the next answer: the server has done its work, and the caller never hears.
struct LossyProxy {
    endpoint: String,
    armed: Arc<AtomicBool>,
}

impl LossyProxy {
    async fn start(server: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let armed = Arc::new(AtomicBool::new(false));
        let (address, flag) = (server.replace("http://", ""), Arc::clone(&armed));
        tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                tokio::spawn(pass_on(caller, address.clone(), Arc::clone(&flag)));
            }
        });
        Ok(Self { endpoint, armed })
    }

    /// Loses the answer to the next call, and sees that there was one.
    async fn losing<T>(&self, call: impl Future<Output = T>) -> T {
        self.armed.store(true, Ordering::SeqCst);
        let answer = call.await;
        assert!(!self.armed.load(Ordering::SeqCst), "no answer was lost");
        answer
    }
}

async fn pass_on(caller: TcpStream, server: String, armed: Arc<AtomicBool>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_caller, mut to_caller) = caller.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_caller, &mut to_server).await;
    });
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
        if armed.swap(false, Ordering::SeqCst)
            || to_caller.write_all(&buffer[..count]).await.is_err()
        {
            break;
        }
    }
    requests.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_was_lost_is_done_once_and_known_for_ones_own() {
    let ministack = Ministack::start().await.unwrap();
    let proxy = LossyProxy::start(&ministack.endpoint()).await.unwrap();
    let (sdk, config) = (sdk_config(&proxy.endpoint), StorageConfig::with_prefix("lost"));
    schema::provision(&sdk, &config).await.unwrap();
    let stores = aws::stores(&sdk, &config);

    let put = |text: &'static str, condition| {
        stores.objects.put("models/current.json", Bytes::from_static(text.as_bytes()), condition)
    };
    let created = proxy.losing(put("first", PutCondition::Absent)).await.unwrap();
    let etag = created.expect("the creation was ours");
    let swapped = proxy.losing(put("second", PutCondition::Matches(etag.clone()))).await.unwrap();
    assert!(swapped.is_some(), "the swap was ours");
    assert!(put("third", PutCondition::Matches(etag)).await.unwrap().is_none());
    assert!(put("third", PutCondition::Absent).await.unwrap().is_none());

    let user = Pseudonym::parse("v1_user").unwrap();
    let entry =
        PeopleEntry::Link { person: user.clone(), life: 0, erased_until: None, declared: None };
    let write = PeopleWrite { id: user.clone(), entry, expected: None };
    let writes = [write];
    let committed = proxy.losing(stores.people.commit(&writes)).await.unwrap();
    assert_eq!(committed, Committed::Yes);
    assert_eq!(stores.people.get(&user).await.unwrap().unwrap().version, 1);
}
