"""Log groups and their lines."""

import time

GROUP = "/conformance/group"


def groups(do):
    members = {"logGroupName": GROUP}
    do.do("create", "logs.create_log_group", tags={"a": "1"}, **members)
    do.do("create again", "logs.create_log_group", aws="already present", **members)
    shown = "logGroups[].{name: logGroupName, days: retentionInDays, class: logGroupClass, bytes: storedBytes}"
    do.do("describe", "logs.describe_log_groups", shown, logGroupNamePrefix=GROUP)
    do.do("arn", "logs.describe_log_groups", "logGroups[].[arn, logGroupArn]", logGroupNamePrefix=GROUP)
    do.do("retain", "logs.put_retention_policy", retentionInDays=14, **members)
    do.do("retained", "logs.describe_log_groups", shown, logGroupNamePrefix=GROUP)
    do.do("bad retention", "logs.put_retention_policy", retentionInDays=2, **members)
    do.do("keep for ever", "logs.delete_retention_policy", **members)
    do.do("kept for ever", "logs.describe_log_groups", shown, logGroupNamePrefix=GROUP)
    do.do("delete", "logs.delete_log_group", **members)
    absent = ("PutRetentionPolicy/DeleteLogGroup", "absent")
    do.do("delete again", "logs.delete_log_group", aws=absent, **members)
    do.do("retain an absent one", "logs.put_retention_policy", aws=absent, retentionInDays=14, **members)
    do.do("stream of an absent one", "logs.create_log_stream", logStreamName="s", **members)
    do.do("streams of an absent one", "logs.describe_log_streams", **members)
    do.do("lines of an absent one", "logs.filter_log_events", **members)


def wrong_groups(do):
    do.do("long name", "logs.create_log_group", aws="name > 512", logGroupName="n" * 513)
    do.do("bad name", "logs.create_log_group", logGroupName="a b")
    do.do("no name", "logs.create_log_group")
    both = {"logGroupNamePrefix": "a", "logGroupNamePattern": "b"}
    do.do("prefix and pattern", "logs.describe_log_groups", aws="prefix and pattern together", **both)
    for name in ["n" * 513, "a b"]:
        do.look("logs.delete_log_group", logGroupName=name)
    do.do("large page", "logs.describe_log_groups", limit=51)
    do.do("no page", "logs.describe_log_groups", limit=0)


def tags(do):
    do.set("logs.create_log_group", logGroupName=GROUP, tags={"a": "1"})
    arn = f"arn:aws:logs:{do.region}:{do.account}:log-group:{GROUP}"
    do.do("list", "logs.list_tags_for_resource", "tags", resourceArn=arn)
    do.do("add", "logs.tag_resource", resourceArn=arn, tags={"a": "2", "b": "3"})
    do.do("added", "logs.list_tags_for_resource", "tags", resourceArn=arn)
    do.do("remove", "logs.untag_resource", resourceArn=arn, tagKeys=["a", "absent"])
    do.do("left", "logs.list_tags_for_resource", "tags", resourceArn=arn)
    do.set("logs.delete_log_group", logGroupName=GROUP)
    do.do("of an absent one", "logs.list_tags_for_resource", resourceArn=arn)
    do.do("add to an absent one", "logs.tag_resource", resourceArn=arn, tags={"a": "1"})


def lines(do):
    stream = {"logGroupName": GROUP, "logStreamName": "one"}
    do.set("logs.create_log_group", logGroupName=GROUP)
    do.do("stream", "logs.create_log_stream", **stream)
    do.do("stream again", "logs.create_log_stream", **stream)
    now = int(time.time() * 1000)
    events = [{"timestamp": now + n, "message": f"line {n}"} for n in range(3)]
    do.do("put", "logs.put_log_events", "rejectedLogEventsInfo", logEvents=events, **stream)
    do.do("put to an absent one", "logs.put_log_events", logGroupName=GROUP, logStreamName="absent", logEvents=events)
    do.do("get", "logs.get_log_events", "events[].message", startFromHead=True, **stream)
    do.do("get from an absent one", "logs.get_log_events", logGroupName=GROUP, logStreamName="absent")
    do.do("filter", "logs.filter_log_events", "events[].[logStreamName, message]", logGroupName=GROUP, filterPattern='"line 1"')
    do.do("filter by stream", "logs.filter_log_events", "events[].message", logGroupName=GROUP, logStreamNamePrefix="two")
    do.do("streams", "logs.describe_log_streams", "logStreams[].logStreamName", logGroupName=GROUP)
    do.do("delete the stream", "logs.delete_log_stream", **stream)
    do.do("delete the stream again", "logs.delete_log_stream", **stream)
    do.set("logs.delete_log_group", logGroupName=GROUP)


def pages(do):
    for n in range(5):
        do.set("logs.create_log_group", logGroupName=f"/conformance/page/{n}")
    members = {"logGroupNamePrefix": "/conformance/page/", "limit": 2}
    names = "logGroups[].logGroupName"
    first = do.do("first page", "logs.describe_log_groups", names, **members)
    second = do.do("second page", "logs.describe_log_groups", names, nextToken=first.get("nextToken", ""), **members)
    do.do("last page", "logs.describe_log_groups", names, nextToken=second.get("nextToken", ""), **members)
    for n in range(5):
        do.set("logs.delete_log_group", logGroupName=f"/conformance/page/{n}")
