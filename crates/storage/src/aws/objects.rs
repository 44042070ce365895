//! Objects on S3.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use crossfold_core::entities::ports::{
    ETag, Object, ObjectStore, PutCondition, StoreError, StoreResult,
};
use futures::FutureExt;

use super::config::Resource;
use super::error::{corrupt, service_error};
use crate::retry::{Attempt, RetryPolicy, Waiting, retry};

/// Metadata that tells which call wrote an object.
const WRITE_ID: &str = "crossfold-write";

/// For a conditional write that met another one in flight, and for a read whose
/// body broke off: the SDK retries neither.
const RETRIES: RetryPolicy =
    RetryPolicy { tries: 5, first_wait: Duration::from_millis(50), budget: Duration::from_secs(1) };

const NOT_MODIFIED: u16 = 304;
const NOT_FOUND: u16 = 404;
const CONFLICT: u16 = 409;
const PRECONDITION_FAILED: u16 = 412;

/// [`ObjectStore`] on S3.
pub(super) struct S3Objects {
    pub(super) client: Client,
    pub(super) bucket: Resource,
    pub(super) waiting: Waiting,
}

/// What a `GetObject` gave.
enum Fetched {
    Object(Object),
    NotModified,
    Absent,
}

impl S3Objects {
    fn request(&self, key: &str) -> StoreResult<GetObjectFluentBuilder> {
        Ok(self.client.get_object().bucket(self.bucket.name()?).key(key))
    }

    async fn fetch_whole(&self, request: GetObjectFluentBuilder) -> StoreResult<Fetched> {
        let attempt = || fetch(request.clone()).map(Attempt::of);
        retry(RETRIES, &self.waiting, attempt).await
    }

    /// Whether the object there now was written by the call `write_id`: a retry
    /// after a lost answer fails its condition because of its own first try.
    async fn wrote(&self, key: &str, write_id: &str) -> StoreResult<Option<ETag>> {
        let head = self.client.head_object().bucket(self.bucket.name()?).key(key).send().await;
        let head = match head {
            Err(error) if status(&error) == Some(NOT_FOUND) => return Ok(None),
            other => other.map_err(service_error)?,
        };
        let found = head.metadata().and_then(|metadata| metadata.get(WRITE_ID));
        if found.map(String::as_str) != Some(write_id) {
            return Ok(None);
        }
        Ok(head.e_tag.map(ETag))
    }

    async fn try_put(
        &self,
        key: &str,
        bytes: &Bytes,
        condition: &PutCondition,
        write_id: &str,
    ) -> StoreResult<Result<ETag, SdkError<PutObjectError, HttpResponse>>> {
        let put = self
            .client
            .put_object()
            .bucket(self.bucket.name()?)
            .key(key)
            .body(ByteStream::from(bytes.clone()))
            .metadata(WRITE_ID, write_id);
        let put = match condition {
            PutCondition::None => put,
            PutCondition::Absent => put.if_none_match("*"),
            PutCondition::Matches(etag) => put.if_match(&etag.0),
        };
        match put.send().await {
            Ok(answer) => etag(answer.e_tag).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }
}

async fn fetch(request: GetObjectFluentBuilder) -> StoreResult<Fetched> {
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if status(&error) == Some(NOT_MODIFIED) => return Ok(Fetched::NotModified),
        Err(error) if is_absent(&error) => return Ok(Fetched::Absent),
        Err(error) => return Err(service_error(error)),
    };
    let etag = etag(answer.e_tag)?;
    let body = answer.body.collect().await;
    let body = body.map_err(|error| StoreError::unavailable("a body broke off", error))?;
    Ok(Fetched::Object(Object { bytes: body.into_bytes(), etag }))
}

fn etag(etag: Option<String>) -> StoreResult<ETag> {
    etag.map(ETag).ok_or_else(|| corrupt("an object", "it has no ETag"))
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Whether the object is absent; an absent bucket is a mistake in the set-up.
fn is_absent(error: &SdkError<GetObjectError, HttpResponse>) -> bool {
    error.as_service_error().is_some_and(GetObjectError::is_no_such_key)
}

#[async_trait]
impl ObjectStore for S3Objects {
    async fn get(&self, key: &str) -> StoreResult<Option<Object>> {
        match self.fetch_whole(self.request(key)?).await? {
            Fetched::Object(object) => Ok(Some(object)),
            Fetched::Absent | Fetched::NotModified => Ok(None),
        }
    }

    async fn get_if_changed(&self, key: &str, known: &ETag) -> StoreResult<Option<Object>> {
        match self.fetch_whole(self.request(key)?.if_none_match(&known.0)).await? {
            Fetched::Object(object) => Ok(Some(object)),
            Fetched::NotModified => Ok(None),
            Fetched::Absent => Err(StoreError::Refused(format!("there is no object {key}").into())),
        }
    }

    async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: PutCondition,
    ) -> StoreResult<Option<ETag>> {
        let write_id = uuid::Uuid::now_v7().to_string();
        let (bytes, condition, write_id) = (&bytes, &condition, &*write_id);
        retry(RETRIES, &self.waiting, || async move {
            let error = match self.try_put(key, bytes, condition, write_id).await? {
                Ok(etag) => return Ok(Attempt::Done(Some(etag))),
                Err(error) => error,
            };
            match status(&error) {
                Some(PRECONDITION_FAILED) => self.wrote(key, write_id).await.map(Attempt::Done),
                // `If-Match` on an absent object; without the bucket it is a mistake.
                Some(NOT_FOUND) if error.code() == Some("NoSuchKey") => Ok(Attempt::Done(None)),
                Some(CONFLICT) => {
                    let what = format!("writes to {key} keep colliding");
                    Ok(Attempt::Again(StoreError::unavailable(what, error)))
                }
                _ => Err(service_error(error)),
            }
        })
        .await
    }

    async fn list(&self, prefix: &str) -> StoreResult<Vec<String>> {
        let request = self.client.list_objects_v2().bucket(self.bucket.name()?).prefix(prefix);
        let mut keys = Vec::new();
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let contents = page.map_err(service_error)?.contents.unwrap_or_default();
            keys.extend(contents.into_iter().filter_map(|object| object.key));
        }
        Ok(keys)
    }

    async fn delete(&self, key: &str) -> StoreResult<()> {
        let request = self.client.delete_object().bucket(self.bucket.name()?).key(key);
        request.send().await.map(drop).map_err(service_error)
    }
}
