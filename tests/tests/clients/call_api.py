"""What a platform's backend does through the generated client.

The client must be importable as `crossfold_client`. The argument is the API's URL. Ends with
an error at the first answer that is not what it should be.
"""

import datetime
import sys

from crossfold_client import AuthenticatedClient
from crossfold_client.api.catalogue import delete_item, get_domain, get_item, post_items, put_domain
from crossfold_client.api.events import post_events
from crossfold_client.api.recommendations import post_feedback, post_recommendations
from crossfold_client.api.training import get_models
from crossfold_client.api.users import get_user, put_consents, put_user
from crossfold_client.models import (
    Attributes,
    DomainDefinition,
    DomainDefinitionEventTypes,
    Event,
    EventBatch,
    EventType,
    FeedbackBatch,
    FeedbackBatchFeedbackItem,
    FeedbackBatchFeedbackItemKind,
    NewConsent,
    NewItem,
    PostItemsBody,
    PostRecommendationsSecGPC,
    Problem,
    Purpose,
    PutConsentsBody,
    PutUserBody,
    RecommendationRequest,
)

DOMAIN, USER, ITEMS = "travel", "traveller 7", ["lake", "sea"]


def expect(answer, status):
    """The body of an answer that must have a status."""
    assert answer.status_code == status, (answer.status_code, answer.content)
    return answer.parsed


def write_catalogue(client):
    types = DomainDefinitionEventTypes()
    types["book"] = EventType(weight=3.0, value_scale="100")
    definition = DomainDefinition(name="Travel", currency="CNY", event_types=types)
    expect(put_domain.sync_detailed(DOMAIN, client=client, body=definition), 200)
    assert expect(get_domain.sync_detailed(DOMAIN, client=client), 200).half_life_days == 180
    items = [NewItem(item_id=item, title=item.title(), price="19.90") for item in ITEMS]
    body = PostItemsBody(items=items)
    assert expect(post_items.sync_detailed(DOMAIN, client=client, body=body), 200).upserted == 2
    assert expect(get_item.sync_detailed(DOMAIN, "lake", client=client), 200).price == "19.90"


def write_events(client, now):
    def event(event_id, type_):
        return Event(
            event_id=event_id, user_id=USER, type_=type_, item_id="lake", occurred_at=now, value="80"
        )

    batch = EventBatch(domain=DOMAIN, events=[event("e1", "book"), event("e2", "sail")])
    receipt = expect(post_events.sync_detailed(client=client, body=batch), 200)
    assert receipt.accepted == 1, receipt
    assert [(rejection.index, rejection.code) for rejection in receipt.rejected] == [
        (1, "unknown_event_type")
    ]


def write_user(client):
    declared = Attributes()
    declared["home"] = "north"
    body = PutUserBody(declared=declared)
    expect(put_user.sync_detailed(USER, client=client, body=body, domain=DOMAIN), 200)
    consent = NewConsent(to=DOMAIN, purpose=Purpose.TRAINING, granted=False)
    body = PutConsentsBody(consents=[consent])
    expect(put_consents.sync_detailed(USER, client=client, body=body, domain=DOMAIN), 200)
    user = expect(get_user.sync_detailed(USER, client=client, domain=DOMAIN), 200)
    assert [(one.to, one.purpose, one.granted) for one in user.consents] == [
        (DOMAIN, Purpose.TRAINING, False)
    ], user
    assert user.declared["home"] == "north", user


def read_recommendations(client, now):
    request = RecommendationRequest(user_id=USER, domain=DOMAIN, limit=2)
    # The header that a generator may stumble over.
    privacy = PostRecommendationsSecGPC("1")
    answer = post_recommendations.sync_detailed(client=client, body=request, sec_gpc=privacy)
    slate = expect(answer, 200)
    assert {item.item_id for item in slate.items} <= set(ITEMS) and slate.items, slate
    click = FeedbackBatchFeedbackItem(
        feedback_id="f1",
        kind=FeedbackBatchFeedbackItemKind.CLICK,
        domain=DOMAIN,
        item_id=slate.items[0].item_id,
        occurred_at=now,
    )
    batch = FeedbackBatch(
        recommendation_id=slate.recommendation_id, user_id=USER, domain=DOMAIN, feedback=[click]
    )
    assert expect(post_feedback.sync_detailed(client=client, body=batch), 200).accepted == 1


def meet_problems(client):
    assert expect(delete_item.sync_detailed(DOMAIN, "sea", client=client), 204) is None
    problem = expect(get_item.sync_detailed(DOMAIN, "sea", client=client), 404)
    assert isinstance(problem, Problem) and problem.code == "unknown_item", problem
    assert expect(get_models.sync_detailed(client=client, limit=101), 422).code == "invalid_request"
    assert expect(get_models.sync_detailed(client=client), 200).models == []


def main():
    now = datetime.datetime.now(datetime.timezone.utc)
    with AuthenticatedClient(base_url=sys.argv[1], token="any") as client:
        write_catalogue(client)
        write_events(client, now)
        write_user(client)
        read_recommendations(client, now)
        meet_problems(client)


main()
