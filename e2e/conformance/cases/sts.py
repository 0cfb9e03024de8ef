"""Who asks."""

from botocore.exceptions import ClientError


def identity(do):
    do.do("who", "sts.get_caller_identity", show="{Account: Account, root: ends_with(Arn, ':root')}")


def wrong_secret(do):
    server = do.server
    session = type(server.session)(server.key, "wrong", region_name=server.region)
    for service, method in [("sts", "get_caller_identity"), ("logs", "describe_log_groups"), ("lambda", "list_functions")]:
        client = session.client(service, endpoint_url=server.url)
        try:
            getattr(client, method)()
            do.note(service, "200")
        except ClientError as error:
            status, words = do.refusal(error)
            # The rest of the message is what was signed.
            do.note(service, f"{status} {words.split('. ')[0]}")


def unknown_key(do):
    server = do.server
    session = type(server.session)("AKIAUNKNOWN000000000", "wrong", region_name=server.region)
    for service, method in [("sts", "get_caller_identity"), ("s3", "list_buckets"), ("logs", "describe_log_groups")]:
        client = session.client(service, endpoint_url=server.url)
        try:
            getattr(client, method)()
            do.note(service, "200")
        except ClientError as error:
            do.note(service, " ".join(map(str, do.refusal(error))))
