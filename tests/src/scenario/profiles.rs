//! The step about what is known of a person.

use serde_json::{Value, json};

use super::cast::{AUTO_FINANCE, KNOWLEDGE, consent, user};
use super::steps::{MEI, Stage, of_user};
use crate::api::ApiRequest;
use crate::token::Token;

fn profile(person: &str, domain: &str) -> ApiRequest {
    let of = user(domain, person);
    of_user(ApiRequest::get(&["v1", "users", &of, "profile"]), domain)
}

fn of_domain<'a>(profile: &'a Value, domain: &str) -> Option<&'a Value> {
    profile["domains"].as_array()?.iter().find(|of| of["domain"] == domain)
}

impl Stage<'_> {
    /// A profile is told of what may be used, in the caller's language, to who may know it, and
    /// of means with the person's leave alone.
    pub(super) async fn tell_what_is_known(&self) -> anyhow::Result<()> {
        let known = self.call(profile(MEI, KNOWLEDGE)).await?;
        let courses = of_domain(&known, KNOWLEDGE).unwrap_or(&Value::Null);
        assert!(courses["history"]["events"].as_u64() > Some(0), "{known}");
        let text = courses["items"][0]["text"].as_str();
        assert!(text.is_some_and(|text| text.starts_with("Turned to")), "{known}");
        assert_eq!(courses.get("spending"), None, "{known}");
        let chinese = self.call(profile(MEI, KNOWLEDGE).with_query("locale", "zh-CN")).await?;
        let text = of_domain(&chinese, KNOWLEDGE).and_then(|of| of["items"][0]["text"].as_str());
        assert!(text.is_some_and(|text| text.starts_with("关注过")), "{chinese}");

        let learner = user(KNOWLEDGE, MEI);
        for granted in [true, false] {
            let decided = consent(KNOWLEDGE, KNOWLEDGE, "financial_profiling", granted);
            let path = ["v1", "users", &learner, "consents"];
            let body = json!({ "consents": [decided] });
            self.call(of_user(ApiRequest::put(&path, &body), KNOWLEDGE)).await?;
            let told = self.call(profile(MEI, KNOWLEDGE)).await?;
            let spending = of_domain(&told, KNOWLEDGE).and_then(|of| of.get("spending"));
            assert_eq!(spending.is_some(), granted, "{told}");
            let median = spending.map(|of| &of["price_band"]["amounts"]["median"]);
            assert!(median.is_none_or(|median| *median == json!("199.00")), "{told}");
        }

        let elsewhere = self.call(profile(MEI, AUTO_FINANCE)).await?;
        assert!(of_domain(&elsewhere, KNOWLEDGE).is_some(), "she lets it be used: {elsewhere}");
        let signalled = profile(MEI, AUTO_FINANCE).with_header("Sec-GPC", "1");
        let signalled = self.call(signalled).await?;
        assert_eq!(of_domain(&signalled, KNOWLEDGE), None, "{signalled}");
        let nobody = self.call(profile("nobody", KNOWLEDGE)).await?;
        assert_eq!((&nobody["domains"], &nobody["personalised"]), (&json!([]), &json!(false)));
        if self.world.checks_tokens() {
            let seller = Token::covering(&[AUTO_FINANCE]);
            let told = self.call(profile(MEI, AUTO_FINANCE).with_token(seller)).await?;
            assert_eq!(of_domain(&told, KNOWLEDGE), None, "{told}");
        }
        Ok(())
    }
}
