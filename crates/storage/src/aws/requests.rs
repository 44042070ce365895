//! Requests that several tables make: a write on a condition, and a query over all its pages.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use crossfold_core::entities::ports::{Appended, StoreResult};

use super::error::service_error;

/// Writes a record unless one with its key is there.
pub(super) async fn append(put: PutItemFluentBuilder) -> StoreResult<Appended> {
    let is_new = put_if(put.condition_expression("attribute_not_exists(pk)")).await?;
    Ok(if is_new { Appended::New } else { Appended::Duplicate })
}

/// Writes a record if the request's condition holds, and says whether it did.
pub(super) async fn put_if(put: PutItemFluentBuilder) -> StoreResult<bool> {
    let Err(error) = put.send().await else { return Ok(true) };
    let refusal = error.as_service_error();
    if refusal.is_some_and(|refusal| refusal.is_conditional_check_failed_exception()) {
        return Ok(false);
    }
    Err(service_error(error))
}

/// Every record of a query.
pub(super) async fn all(
    query: QueryFluentBuilder,
) -> StoreResult<Vec<HashMap<String, AttributeValue>>> {
    first(query, usize::MAX).await
}

/// The first `limit` records of a query, over as many pages as it takes.
pub(super) async fn first(
    query: QueryFluentBuilder,
    limit: usize,
) -> StoreResult<Vec<HashMap<String, AttributeValue>>> {
    let mut records = Vec::new();
    if limit == 0 {
        return Ok(records);
    }
    // A limit beyond what a page of 1 MB can hold is none.
    let query = query.set_limit(i32::try_from(limit).ok());
    let mut pages = query.into_paginator().send();
    while let Some(page) = pages.next().await {
        records.extend(page.map_err(service_error)?.items.unwrap_or_default());
        if records.len() >= limit {
            records.truncate(limit);
            break;
        }
    }
    Ok(records)
}
