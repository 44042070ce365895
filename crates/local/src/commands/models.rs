//! `crossfold models`: what `/v1/models` offers.

use std::path::Path;

use anyhow::{Context, Result};
use crossfold_core::entities::ids::ModelId;
use crossfold_core::release::record::ModelState;
use crossfold_registry::listing::ListedModel;
use serde_json::{Value, json};

use crate::answers::{ModelPageAnswer, read};
use crate::api_client::ApiClient;
use crate::args::{ModelsArgs, ModelsCommand};
use crate::place::Place;
use crate::printer::{self, ModelDetails, ModelLine, ModelTable};

pub(crate) async fn models(directory: &Path, args: &ModelsArgs) -> Result<()> {
    let place = Place::open(directory, &args.server).await?;
    let client = place.client();
    match &args.command {
        ModelsCommand::List => {
            let models = list(&client).await?;
            if args.json {
                return printer::json(&json!({ "models": models }));
            }
            printer::text(ModelTable(&read::<Vec<ListedModel>>(models.into())?));
        }
        ModelsCommand::Show { id } => {
            let model = client.get(&format!("/v1/models/{id}")).await?;
            if args.json {
                return printer::json(&model);
            }
            printer::text(ModelDetails(&read(model)?));
        }
        ModelsCommand::Promote { id } => {
            print_promoted(promote(&client, id, &json!({})).await?, args.json)?;
        }
        ModelsCommand::Rollback => print_promoted(roll_back(&client).await?, args.json)?,
    }
    Ok(())
}

fn print_promoted(model: Value, as_json: bool) -> Result<()> {
    if as_json {
        return printer::json(&model);
    }
    printer::text(ModelLine(&read(model)?));
    Ok(())
}

/// Every model as the API has it, newest first.
async fn list(client: &ApiClient) -> Result<Vec<Value>> {
    let mut models = Vec::new();
    let mut after = String::new();
    loop {
        let page = client.get(&format!("/v1/models?limit=100{after}")).await?;
        let page: ModelPageAnswer = read(page)?;
        models.extend(page.models);
        let Some(next) = page.next else { return Ok(models) };
        after = format!("&after={next}");
    }
}

async fn promote(client: &ApiClient, id: &ModelId, body: &Value) -> Result<Value> {
    client.post(&format!("/v1/models/{id}/promote"), body).await
}

/// Promotes the model before the champion, unless the champion changes meanwhile.
async fn roll_back(client: &ApiClient) -> Result<Value> {
    let listed: Vec<ListedModel> = read(list(client).await?.into())?;
    let in_state = |state: ModelState| {
        listed.iter().find(|model| model.state == state).map(|model| &model.record.id)
    };
    let previous =
        in_state(ModelState::Previous).context("there is no model before the champion")?;
    let seen = json!({ "expected_champion": in_state(ModelState::Champion) });
    promote(client, previous, &seen).await
}
