use serde_json::json;

use super::*;

fn campaign(more: serde_json::Value) -> CampaignDefinition {
    let mut json = json!({"trigger": {"event_type": "complete"}, "placement": "after-course"});
    let more = more.as_object().unwrap().clone();
    json.as_object_mut().unwrap().extend(more);
    serde_json::from_value(json).unwrap()
}

#[test]
fn a_campaign_out_of_range_is_refused_with_the_field_named() {
    let schema = Schema::default();
    let values: Vec<String> = (0..33).map(|n| n.to_string()).collect();
    for (field, wrong) in [
        (
            "trigger.filter: line 1",
            json!({"trigger": {"event_type": "complete", "filter": "prize < 1"}}),
        ),
        ("delay_minutes", json!({"delay_minutes": 10_081})),
        ("locale", json!({"locale": "e".repeat(36)})),
        ("from must", json!({"from": "2026-06-02T00:00:00Z", "until": "2026-06-02T00:00:00Z"})),
        ("audience.declared cannot name", json!({"audience": {"declared": {"gender": ["f"]}}})),
        ("audience.declared.plan", json!({"audience": {"declared": {"plan": values}}})),
        ("audience.declared.plan", json!({"audience": {"declared": {"plan": []}}})),
        ("names in audience.declared", json!({"audience": {"declared": {" ": ["x"]}}})),
        ("audience.segments", json!({"audience": {"segments": []}})),
        ("audience.segments", json!({"audience": {"segments": vec![1; 33]}})),
    ] {
        let why = campaign(wrong.clone()).check(&schema).unwrap_err();
        assert!(why.starts_with(field), "{wrong}: {why}");
    }
    campaign(json!({"delay_minutes": 10_080, "locale": "zh-CN"})).check(&schema).unwrap();
    campaign(json!({"audience": {"segments": vec![u32::MAX; 32]}})).check(&schema).unwrap();
}

#[test]
fn a_trigger_counts_from_its_beginning_and_nobody_is_told_after_the_end() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let campaign =
        campaign(json!({"from": "2026-06-01T00:00:00Z", "until": "2026-07-01T00:00:00Z"}));
    assert!(!campaign.follows(at("2026-05-31T23:59:59Z")));
    assert!(campaign.follows(at("2026-06-01T00:00:00Z")));
    assert!(campaign.is_on(at("2026-06-30T23:59:59Z")));
    assert!(!campaign.is_on(at("2026-07-01T00:00:00Z")));
    let paused = CampaignDefinition { paused: true, ..campaign };
    assert!(!paused.is_on(at("2026-06-15T00:00:00Z")));
}

#[test]
fn an_audience_has_who_has_one_value_of_each_attribute() {
    let audience: Audience =
        serde_json::from_value(json!({"declared": {"plan": ["pro", "team"], "city": ["Lyon"]}}))
            .unwrap();
    let declared = |pairs: &[(&str, &str)]| -> Declared {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let has = |pairs| audience.has_declared(&declared(pairs));
    assert!(has(&[("plan", "team"), ("city", "Lyon"), ("x", "y")]));
    assert!(!has(&[("plan", "team")]));
    assert!(!has(&[("plan", "free"), ("city", "Lyon")]));
    assert!(Audience::default().has_declared(&Declared::new()));
}

#[test]
fn an_audience_of_segments_has_who_is_of_one_of_them_and_is_named_by_numbers_alone() {
    let audience: Audience = serde_json::from_value(json!({"segments": [0, 7]})).unwrap();
    assert!(!audience.is_everyone());
    assert_eq!(serde_json::to_value(&audience).unwrap(), json!({"segments": [0, 7]}));
    assert!([Some(0), Some(7)].iter().all(|segment| audience.has_segment(*segment)));
    assert!([None, Some(1)].iter().all(|segment| !audience.has_segment(*segment)));
    let everyone = Audience::default();
    assert!(everyone.has_segment(None) && everyone.has_segment(Some(1)));
    for wrong in [json!(["women"]), json!([-1]), json!([0.5]), json!(7), json!([1u64 << 32])] {
        let read = serde_json::from_value::<Audience>(json!({"segments": wrong}));
        assert!(read.is_err(), "{wrong}");
    }
}
