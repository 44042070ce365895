//! `crossfold verify-receipt` and `crossfold find-person`: what proves that someone was erased.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use crossfold_core::entities::erasure::Receipt;
use crossfold_core::entities::ids::{DomainId, Pseudonym, UserId};
use crossfold_core::entities::json;
use crossfold_core::entities::ports::Stores;
use crossfold_lab::output::ForeignNames;
use crossfold_storage::definition_reader::definitions;
use crossfold_storage::find_person::find_person as find;
use crossfold_storage::pseudonym_key;
use serde::Deserialize;

use crate::args::{FindPersonArgs, VerifyReceiptArgs};
use crate::local_world::{TENANT, ensure_exists};
use crate::place::open_alone;
use crate::printer;
use crate::stack::Stack;

/// The answer of `GET /v1/erasures/{pseudonym}` as far as its signature goes.
#[derive(Deserialize)]
struct SignedReceipt {
    #[serde(default)]
    signature: Option<String>,
    #[serde(default)]
    left: Vec<String>,
    #[serde(flatten)]
    receipt: serde_json::Map<String, serde_json::Value>,
}

/// Checks the signature of a receipt, read from a file.
pub(crate) async fn verify_receipt(
    directory: &Path,
    args: &VerifyReceiptArgs,
    stack: &dyn Stack,
) -> Result<()> {
    let text = std::fs::read_to_string(&args.file)
        .with_context(|| format!("cannot read {}", args.file.display()))?;
    // A key that stands twice would be shown by one reader and signed by another.
    let signed: SignedReceipt =
        json::from_slice(text.as_bytes()).context("the file is no receipt of an erasure")?;
    let Some(signature) = signed.signature else {
        let left = ForeignNames(&signed.left);
        bail!("the erasure was not complete; left to visit: {left}");
    };
    let receipt: Receipt = serde_json::from_value(signed.receipt.into())
        .context("the file is no receipt of an erasure")?;
    let keys = match &args.keys {
        _ if args.stack => stack.keys().await?,
        None => {
            ensure_exists(directory)?;
            pseudonym_key::from_directory(directory, TENANT)?
        }
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            pseudonym_key::parse(&text, &args.tenant)?
        }
    };
    if !keys.is_signed(&receipt, &signature) {
        bail!("the signature is none of these keys', or the receipt was changed");
    }
    printer::line(format_args!(
        "the receipt is genuine: {} of {}",
        receipt.pseudonym, receipt.domain
    ));
    printer::line(format_args!(
        "  asked for {}, complete {}",
        receipt.requested_at, receipt.finished_at
    ));
    for (place, deleted) in &receipt.deleted {
        printer::line(format_args!("  {:<20} {deleted}", place.as_str()));
    }
    if receipt.unreadable_files > 0 {
        printer::line(format_args!("  {:<20} {}", "unreadable files", receipt.unreadable_files));
    }
    Ok(())
}

/// Looks for everything that is kept of a user.
pub(crate) async fn find_person(
    directory: &Path,
    args: &FindPersonArgs,
    stack: &dyn Stack,
) -> Result<()> {
    let (domain, user) = (&args.domain, UserId::parse(&args.user)?);
    let (pseudonym, found): (Pseudonym, BTreeMap<String, u64>) = match args.place.stack {
        true => {
            let (stores, keys) = (stack.stores().await?, stack.keys().await?);
            ensure_defined(&stores, domain).await?;
            let pseudonym = keys.pseudonym(domain, &user);
            let found = find(&stores, &pseudonym).await?;
            (pseudonym, found)
        }
        false => {
            let world = open_alone(directory).await?;
            ensure_defined(world.stores(), domain).await?;
            world.carry_streams().await?;
            let pseudonym = world.pseudonym(domain, &user);
            let found = find(world.stores(), &pseudonym).await?;
            (pseudonym, found)
        }
    };
    if args.json {
        return printer::json(&serde_json::json!({ "pseudonym": pseudonym, "found": found }));
    }
    if found.is_empty() {
        printer::line(format_args!("nothing is kept of this user of {}", args.domain));
        return Ok(());
    }
    printer::line(format_args!("{pseudonym} of {}:", args.domain));
    for (place, records) in found {
        printer::line(format_args!("  {records:>8}  {place}"));
    }
    Ok(())
}

/// Nothing is found of a platform that is not there, which proves nothing.
async fn ensure_defined(stores: &Stores, domain: &DomainId) -> Result<()> {
    let defined = definitions(&*stores.records).await?;
    ensure!(defined.contains_key(domain), "there is no domain {domain}");
    Ok(())
}
