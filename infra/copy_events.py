#!/usr/bin/env python3
"""Copies a table of events of version 0.1.0 into one of this version.

    infra/copy_events.py OLD NEW

An event's key was its user, time and id; it is its user and id now, and an index has the time. A
local index cannot be added to a table, so that CloudFormation makes a new one and keeps the old
one. Needs boto3 and credentials that may scan OLD and write to NEW. Safe to be run again; events
that are there already stay as they are. Prints how many were copied, and how many were the same
event at another time.
"""

import sys

import boto3
from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError

DISMISSAL = "dismissed#"


def moved(item):
    """An item under its new key; a dismissal keeps its own."""
    if item["sk"].startswith(DISMISSAL):
        return item
    return {**item, "sk": f"event#{item['event_id']}", "by_time": item["sk"]}


def copy(old, new):
    copied = known = 0
    page = {}
    while True:
        page = old.scan(ConsistentRead=True, **page)
        for item in page["Items"]:
            try:
                new.put_item(Item=moved(item), ConditionExpression=Attr("pk").not_exists())
                copied += 1
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
                known += 1
        if "LastEvaluatedKey" not in page:
            return copied, known
        page = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def main():
    old, new = sys.argv[1:]
    tables = boto3.resource("dynamodb")
    copied, known = copy(tables.Table(old), tables.Table(new))
    print(f"copied {copied}, known already {known}")


if __name__ == "__main__":
    main()
