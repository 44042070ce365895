"""What other systems' SDKs in Python send, unchanged, and what they make of the answers.

Arguments: the URL, a write key, an access key id, its secret, and a bearer token. Prints a line
for each thing that was tried; ends with an error when one was not as it should be.
"""

import datetime
import sys

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from rudderstack.analytics.client import Client as RudderStack
from rudderstack.analytics.request import APIError as RudderStackError
from segment.analytics.client import Client as Segment
from segment.analytics.request import APIError as SegmentError

URL, WRITE_KEY, ACCESS_KEY, SECRET, TOKEN = sys.argv[1:]
NOW = datetime.datetime.now(datetime.timezone.utc)
failures = 0


def attempt(name, what, call, error=None):
    """Makes a call, which must fail with an error of this code, or not at all."""
    global failures
    try:
        call()
        seen = None
    except (SegmentError, RudderStackError) as refused:
        seen = refused.code
    except ClientError as refused:
        seen = refused.response["Error"]["Code"]
    except Exception as broken:  # What is not refused is a failure, whatever it is.
        seen = f"{type(broken).__name__}: {broken}"
    passed = seen == error
    failures += not passed
    print("pass" if passed else "FAIL", name, what, "" if passed else f"{seen!r} not {error!r}", sep="\t")


def analytics(name, client):
    """The calls of Segment's specification; four events are to be stored, and one once."""
    user, item = f"{name}-user", lambda number: f"{name}-{number}"
    refused = {"consent": {"categoryPreferences": {"Personalisation": False, "Analytics": True}}}
    granted = {"consent": {"categoryPreferences": {"Personalisation": True, "Analytics": False}}}
    identify = lambda: client.identify(user_id=user, traits={"plan": "pro", "email": "a@example.com"})
    attempt(name, "identify", identify)
    track = lambda event, properties, **more: client.track(
        user_id=user, event=event, properties=properties, **more
    )
    viewed = lambda: track("Product Viewed", {"product_id": item(1), "price": 19.9}, context=granted)
    attempt(name, "track a well-known event", viewed)
    trip = {"trip": {"id": item(2), "price": "120.50"}}
    attempt(name, "track a mapped event", lambda: track("Trip Booked", trip))
    products = [{"product_id": item(3), "price": 10, "quantity": 2}, {"product_id": item(4)}]
    attempt(name, "track an order", lambda: track("Order Completed", {"products": products}))
    attempt(name, "track what nobody mapped", lambda: track("Signed Up", {"from": "home"}))
    kept_out = lambda: track("Product Viewed", {"product_id": item("refused")}, context=refused)
    attempt(name, "track without consent", kept_out)
    attempt(name, "page", lambda: client.page(user_id=user, name="Home"))
    attempt(name, "screen", lambda: client.screen(user_id=user, name="Home"))
    attempt(name, "group", lambda: client.group(user_id=user, group_id="g"))
    attempt(name, "alias", lambda: client.alias(previous_id="before", user_id=user))
    for days in (1, 2):
        timestamp = NOW - datetime.timedelta(days=days)
        resend = lambda: track(
            "Product Viewed", {"product_id": item(5)}, message_id=item("once"), timestamp=timestamp
        )
        attempt(name, "track with one message id and two times", resend)
    attempt(name, "track without an item", lambda: track("Product Viewed", {}), "malformed_event")


def analytics_clients():
    options = {"sync_mode": True, "host": URL, "max_retries": 1}
    analytics("segment-python", Segment(WRITE_KEY, gzip=False, **options))
    analytics("segment-python-gzip", Segment(WRITE_KEY, gzip=True, **options))
    analytics("rudderstack-python", RudderStack(WRITE_KEY, **options))
    analytics("rudderstack-python-plain", RudderStack(WRITE_KEY, gzip=False, **options))
    for key in ("wrong", WRITE_KEY[:-1], WRITE_KEY + "x"):
        for name, client in (("segment-python", Segment), ("rudderstack-python", RudderStack)):
            stranger = client(key, **options)
            track = lambda: stranger.track(user_id="x", event="Product Viewed", properties={"sku": "x"})
            attempt(name, "track with a wrong key", track, "unauthenticated")


def personalize(secret=SECRET, access_key=ACCESS_KEY):
    return boto3.client(
        "personalize-events",
        endpoint_url=URL,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 1}),
    )


def personalize_clients():
    name, client = "boto3", personalize()
    event = lambda number, **more: {
        "eventId": f"boto3-{number}",
        "eventType": "Watch",
        "itemId": f"boto3-{number}",
        "sentAt": NOW,
        **more,
    }
    put = lambda *events, by=client: by.put_events(
        trackingId="t-1", userId="boto3-user", sessionId="s-1", eventList=list(events)
    )
    rich = event(1, eventValue=3.5, properties='{"qty":1}', impression=["a", "b"], recommendationId="r")
    attempt(name, "PutEvents", lambda: put(rich, event(2)))
    attempt(name, "PutEvents again", lambda: put(rich, event(2)))
    unknown = {**event(3), "eventType": "Skipped"}
    attempt(name, "PutEvents of an unknown type", lambda: put(event(4), unknown), "InvalidInputException")
    session = lambda: client.put_events(trackingId="t-1", sessionId="boto3-session", eventList=[event(5)])
    attempt(name, "PutEvents of a session without a user", session)
    arn = "arn:aws:personalize:us-east-1:1:dataset/d/"
    item = {"itemId": "boto3-item", "properties": '{"TITLE":"Lake","PRICE":19.9,"GENRES":"water|calm"}'}
    attempt(name, "PutItems", lambda: client.put_items(datasetArn=arn + "ITEMS", items=[item]))
    bad = {"itemId": "boto3-bad", "properties": '{"PRICE":-1}'}
    put_bad = lambda: client.put_items(datasetArn=arn + "ITEMS", items=[bad])
    attempt(name, "PutItems of a bad item", put_bad, "InvalidInputException")
    user = {"userId": "boto3-user", "properties": '{"AGE":30,"EMAIL":"a@example.com"}'}
    attempt(name, "PutUsers", lambda: client.put_users(datasetArn=arn + "USERS", users=[user]))
    for what, stranger in (
        ("a wrong secret", personalize(secret="wrong")),
        ("an unknown access key", personalize(access_key="AKIAIOSFODNN7EXAMPLE")),
    ):
        attempt(name, f"PutEvents with {what}", lambda: put(event(6), by=stranger), "UnrecognizedClientException")


def cloudevent(number, **more):
    attributes = {
        "type": "com.example.view",
        "source": "/python",
        "id": str(number),
        "time": NOW,
        "subject": f"cloudevents-python-{number}",
        **more,
    }
    return CloudEvent(attributes=attributes, data={"user_id": "cloudevents-python-user"})


def cloudevents():
    def post(headers, body, status=200):
        headers = {**headers, "Authorization": f"Bearer {TOKEN}"}
        answer = requests.post(f"{URL}/v1/events?domain=travel", data=body, headers=headers, timeout=30)
        assert answer.status_code == status, (answer.status_code, answer.text)
        return answer.json()

    def send(message, **more):
        return post(message.headers, message.body, **more)

    name = "cloudevents-python"
    attempt(name, "binary", lambda: send(http.to_binary_event(cloudevent(1))))
    attempt(name, "structured", lambda: send(http.to_structured_event(cloudevent(2))))
    again = lambda: send(http.to_structured_event(cloudevent(2, time=NOW - datetime.timedelta(days=1))))
    attempt(name, "structured again, with another time", again)
    write = JSONFormat().write
    batch = b"[" + write(cloudevent(3)) + b"," + write(cloudevent(4)) + b"]"
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    attempt(name, "batch", lambda: post(headers, batch))
    mapped = lambda: send(http.to_binary_event(cloudevent(5, type="com.example.trip.seen")))
    attempt(name, "a mapped event", mapped)
    unknown = lambda: send(http.to_binary_event(cloudevent(6, type="com.example.unknown")), status=422)
    attempt(name, "an event that nobody mapped is refused", unknown)


analytics_clients()
personalize_clients()
cloudevents()
sys.exit(failures > 0)
