"""Buckets, their settings, and objects."""

import base64
import hashlib
import json
import zlib

PART = 5 * 1024 * 1024


def _bucket(do, name):
    do.set("s3.create_bucket", Bucket=name)
    return {"Bucket": name}


def _sha256(body):
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def _gone(do, bucket):
    """Deletes a bucket with everything in it."""
    listed = do.set("s3.list_object_versions", Bucket=bucket)
    for version in listed.get("Versions", []) + listed.get("DeleteMarkers", []):
        do.set("s3.delete_object", Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
    do.set("s3.delete_bucket", Bucket=bucket)


def buckets(do):
    bucket = {"Bucket": "conf-buckets"}
    do.do("create", "s3.create_bucket", "Location", **bucket)
    do.do("create again", "s3.create_bucket", "Location", aws="owned by caller, us-east-1, no tags sent", **bucket)
    tagged = {"Tags": [{"Key": "a", "Value": "1"}]}
    tags_sent = "owned by caller, us-east-1, tags sent"
    do.do("create again with tags", "s3.create_bucket", "Location", aws=tags_sent, CreateBucketConfiguration=tagged, **bucket)
    do.do("create with tags", "s3.create_bucket", "Location", Bucket="conf-tagged", CreateBucketConfiguration=tagged)
    do.do("has the tags", "s3.get_bucket_tagging", "TagSet", Bucket="conf-tagged")
    do.do("head", "s3.head_bucket", "BucketRegion", **bucket)
    do.do("head of the owner's", "s3.head_bucket", "BucketRegion", ExpectedBucketOwner=do.account, **bucket)
    other = {"ExpectedBucketOwner": "999999999999", **bucket}
    do.do("head of another's", "s3.head_bucket", aws="forbidden / other owner", **other)
    do.do("tags of another's", "s3.get_bucket_tagging", aws=("any", "ExpectedBucketOwner mismatch"), **other)
    do.do("list", "s3.list_buckets", "Buckets[].Name", Prefix="conf-")
    do.do("location", "s3.get_bucket_location", "@", **bucket)
    do.do("delete", "s3.delete_bucket", **bucket)
    do.do("delete again", "s3.delete_bucket", aws="absent", **bucket)
    do.do("head an absent one", "s3.head_bucket", aws="absent", **bucket)
    do.do("delete the tagged one", "s3.delete_bucket", Bucket="conf-tagged")


def wrong_buckets(do):
    do.do("illegal name", "s3.create_bucket", aws="name illegal", Bucket="Conf_Wrong")
    do.do("short name", "s3.create_bucket", aws="name illegal", Bucket="ab")
    here = {"LocationConstraint": "us-east-1"}
    named = "constraint us-east-1 in us-east-1"
    do.do("us-east-1 by name", "s3.create_bucket", aws=named, Bucket=do.new("wrong"), CreateBucketConfiguration=here)
    twice = {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    do.do("a tag twice", "s3.create_bucket", Bucket=do.new("wrong"), CreateBucketConfiguration=twice)
    for call, more in [
        ("get_bucket_tagging", {}),
        ("get_bucket_versioning", {}),
        ("get_bucket_location", {}),
        ("get_public_access_block", {}),
        ("get_bucket_encryption", {}),
        ("get_bucket_policy", {}),
        ("get_bucket_lifecycle_configuration", {}),
        ("list_objects_v2", {}),
        ("list_object_versions", {}),
        ("list_multipart_uploads", {}),
        ("put_object", {"Key": "k", "Body": b""}),
        ("delete_object", {"Key": "k"}),
        ("put_bucket_versioning", {"VersioningConfiguration": {"Status": "Enabled"}}),
        ("delete_bucket_policy", {}),
        ("delete_bucket_tagging", {}),
    ]:
        do.do(f"{call} of an absent one", f"s3.{call}", Bucket="conf-absent", **more)


def not_empty(do):
    bucket = _bucket(do, "conf-not-empty")
    do.set("s3.put_object", Key="k", Body=b"1", **bucket)
    do.do("with an object", "s3.delete_bucket", aws="objects present", **bucket)
    do.set("s3.put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"}, **bucket)
    do.set("s3.delete_object", Key="k", **bucket)
    do.do("with versions", "s3.delete_bucket", aws="versions or delete markers present", **bucket)
    do.set("s3.create_multipart_upload", Key="unfinished", **bucket)
    _gone(do, "conf-not-empty")
    do.do("gone", "s3.head_bucket", **bucket)


def access(do):
    bucket = _bucket(do, "conf-access")
    blocked = dict.fromkeys(["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], True)
    do.do("of a new bucket", "s3.get_public_access_block", "@", **bucket)
    do.do("put", "s3.put_public_access_block", PublicAccessBlockConfiguration=blocked, **bucket)
    do.do("get", "s3.get_public_access_block", "@", **bucket)
    do.do("delete", "s3.delete_public_access_block", **bucket)
    do.do("deleted", "s3.get_public_access_block", aws="none", **bucket)
    do.do("put a part", "s3.put_public_access_block", PublicAccessBlockConfiguration={"BlockPublicAcls": True}, **bucket)
    do.do("get a part", "s3.get_public_access_block", "@", **bucket)
    do.do("owner of a new bucket's objects", "s3.get_bucket_ownership_controls", "@", **bucket)
    do.do("delete ownership", "s3.delete_bucket_ownership_controls", **bucket)
    do.do("ownership deleted", "s3.get_bucket_ownership_controls", aws="none", **bucket)
    do.set("s3.delete_bucket", **bucket)


def encryption(do):
    bucket = _bucket(do, "conf-encryption")
    shown = "ServerSideEncryptionConfiguration.Rules[].ApplyServerSideEncryptionByDefault"
    aes = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    do.do("of a new bucket", "s3.get_bucket_encryption", shown, **bucket)
    do.do("put", "s3.put_bucket_encryption", ServerSideEncryptionConfiguration=aes, **bucket)
    do.do("get", "s3.get_bucket_encryption", shown, **bucket)
    do.do("delete", "s3.delete_bucket_encryption", **bucket)
    do.do("deleted", "s3.get_bucket_encryption", shown, **bucket)
    do.do("of an object", "s3.put_object", "ServerSideEncryption", Key="k", Body=b"", **bucket)
    _gone(do, "conf-encryption")


def policies(do):
    bucket = _bucket(do, "conf-policy")
    statement = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutBucketAcl",
        "Resource": "arn:aws:s3:::conf-policy",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    do.do("none", "s3.get_bucket_policy", aws="none", **bucket)
    do.do("put", "s3.put_bucket_policy", Policy=policy, **bucket)
    got = do.do("get", "s3.get_bucket_policy", "length(Policy) > `0`", **bucket)
    do.note("is what was put", json.dumps(json.loads(got.get("Policy", "null")) == json.loads(policy)))
    do.do("no JSON", "s3.put_bucket_policy", Policy="{", **bucket)
    elsewhere = policy.replace("arn:aws:s3:::conf-policy", "arn:aws:s3:::conf-other")
    do.do("of another bucket", "s3.put_bucket_policy", Policy=elsewhere, **bucket)
    do.do("delete", "s3.delete_bucket_policy", **bucket)
    do.do("delete again", "s3.delete_bucket_policy", **bucket)
    do.set("s3.delete_bucket", **bucket)


def lifecycle(do):
    bucket = _bucket(do, "conf-lifecycle")
    rule = {
        "ID": "runner",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    do.do("none", "s3.get_bucket_lifecycle_configuration", aws="none", **bucket)
    do.do("put", "s3.put_bucket_lifecycle_configuration", None, LifecycleConfiguration={"Rules": [rule]}, **bucket)
    do.do("get", "s3.get_bucket_lifecycle_configuration", "Rules", **bucket)
    wrong = {"Rules": [{"ID": "x", "Status": "Enabled"}]}
    do.do("no filter", "s3.put_bucket_lifecycle_configuration", None, LifecycleConfiguration=wrong, **bucket)
    do.do("delete", "s3.delete_bucket_lifecycle", **bucket)
    do.do("delete again", "s3.delete_bucket_lifecycle", **bucket)
    do.set("s3.delete_bucket", **bucket)


def bucket_tags(do):
    bucket = _bucket(do, "conf-bucket-tags")
    tagging = lambda *pairs: {"TagSet": [{"Key": key, "Value": value} for key, value in pairs]}  # noqa: E731
    do.do("none", "s3.get_bucket_tagging", aws="no tags", **bucket)
    do.do("put", "s3.put_bucket_tagging", Tagging=tagging(("a", "1"), ("b", "2")), **bucket)
    do.do("replace", "s3.put_bucket_tagging", Tagging=tagging(("c", "3")), **bucket)
    do.do("get", "s3.get_bucket_tagging", "TagSet", **bucket)
    do.do("a key twice", "s3.put_bucket_tagging", aws="duplicate key", Tagging=tagging(("a", "1"), ("a", "2")), **bucket)
    do.do("a key of AWS", "s3.put_bucket_tagging", aws="aws: prefix", Tagging=tagging(("aws:a", "1")), **bucket)
    do.do("a long key", "s3.put_bucket_tagging", Tagging=tagging(("k" * 129, "1")), **bucket)
    do.do("delete", "s3.delete_bucket_tagging", **bucket)
    do.do("deleted", "s3.get_bucket_tagging", aws="no tags", **bucket)
    do.set("s3.delete_bucket", **bucket)


def objects(do):
    bucket = _bucket(do, "conf-objects")
    key = {"Key": "models/a b/ü.tar.gz", **bucket}
    body = b"0123456789"
    shown = "{etag: ETag, sha256: ChecksumSHA256, kind: ChecksumType}"
    put = {"Body": body, "ChecksumSHA256": _sha256(body), "ContentType": "text/csv", "Metadata": {"one": "1"}, "Tagging": "a=1&b=2%203"}
    do.do("put", "s3.put_object", shown, **put, **key)
    head = "{length: ContentLength, type: ContentType, etag: ETag, more: Metadata, sha256: ChecksumSHA256, tags: TagCount}"
    do.do("head", "s3.head_object", head, ChecksumMode="ENABLED", **key)
    got = do.do("get", "s3.get_object", "{length: ContentLength, type: ContentType}", **key)
    do.note("body", got["Body"].read().decode() if got else "-")
    got = do.do("range", "s3.get_object", "{length: ContentLength, range: ContentRange}", Range="bytes=2-4", **key)
    do.note("part of the body", got["Body"].read().decode() if got else "-")
    do.do("range behind the end", "s3.get_object", Range="bytes=20-", **key)
    do.do("tags", "s3.get_object_tagging", "TagSet", **key)
    do.do("tag", "s3.put_object_tagging", Tagging={"TagSet": [{"Key": "c", "Value": "4"}]}, **key)
    do.do("tagged", "s3.get_object_tagging", "TagSet", **key)
    do.do("absent", "s3.get_object", aws="key absent", Key="absent", **bucket)
    do.do("of an absent bucket", "s3.get_object", aws="bucket absent", Bucket="conf-absent", Key="k")
    do.do("head an absent one", "s3.head_object", Key="absent", **bucket)
    do.do("tags of an absent one", "s3.get_object_tagging", Key="absent", **bucket)
    do.do("copy", "s3.copy_object", "CopyObjectResult.ETag", Key="copy", CopySource={"Bucket": "conf-objects", "Key": key["Key"]}, **bucket)
    do.do("copy an absent one", "s3.copy_object", Key="copy", CopySource={"Bucket": "conf-objects", "Key": "absent"}, **bucket)
    do.do("delete", "s3.delete_object", **key)
    do.do("delete again", "s3.delete_object", **key)
    wanted = {"Objects": [{"Key": "copy"}, {"Key": "absent"}]}
    do.do("delete many", "s3.delete_objects", "{deleted: sort(Deleted[].Key), errors: Errors}", Delete=wanted, **bucket)
    do.do("delete many in silence", "s3.delete_objects", Delete={"Quiet": True, **wanted}, **bucket)
    do.do("delete nothing", "s3.delete_objects", Delete={"Objects": []}, **bucket)
    _gone(do, "conf-objects")


def conditions(do):
    bucket = _bucket(do, "conf-conditions")
    key = {"Key": "k", **bucket}
    do.do("only if new", "s3.put_object", "ETag", Body=b"1", IfNoneMatch="*", **key)
    do.do("only if new, again", "s3.put_object", aws="IfNoneMatch=* and key exists", Body=b"2", IfNoneMatch="*", **key)
    do.do("only if other", "s3.put_object", aws="IfNoneMatch other than *", Body=b"2", IfNoneMatch='"a"', Key="other", **bucket)
    do.do("only if that", "s3.put_object", "ETag", Body=b"2", IfMatch='"c4ca4238a0b923820dcc509a6f75849b"', **key)
    do.do("only if that, again", "s3.put_object", "ETag", Body=b"3", IfMatch='"c4ca4238a0b923820dcc509a6f75849b"', **key)
    do.do("only if that, absent", "s3.put_object", "ETag", Body=b"3", IfMatch='"a"', Key="absent", **bucket)
    do.do("get if that", "s3.get_object", "ContentLength", IfMatch='"a"', **key)
    do.do("get if other", "s3.get_object", "ContentLength", IfNoneMatch='"c81e728d9d4c2f636f067f89cc14862c"', **key)
    do.do("head if other", "s3.head_object", "ContentLength", IfNoneMatch='"c81e728d9d4c2f636f067f89cc14862c"', **key)
    _gone(do, "conf-conditions")


def checksums(do):
    bucket = _bucket(do, "conf-checksums")
    key = {"Key": "k", "Body": b"123456789", **bucket}
    crc32 = base64.b64encode(zlib.crc32(b"123456789").to_bytes(4, "big")).decode()
    do.do("CRC-32", "s3.put_object", "ChecksumCRC32", ChecksumCRC32=crc32, **key)
    do.do("wrong CRC-32", "s3.put_object", ChecksumCRC32="AAAAAA==", **key)
    do.do("wrong SHA-256", "s3.put_object", ChecksumSHA256=_sha256(b"other"), **key)
    do.do("no SHA-256", "s3.put_object", ChecksumSHA256="nonsense", **key)
    do.do("wrong MD5", "s3.put_object", ContentMD5=base64.b64encode(hashlib.md5(b"other").digest()).decode(), **key)
    do.do("no MD5", "s3.put_object", ContentMD5="nonsense", **key)
    do.do("SHA-1 by the client", "s3.put_object", "ChecksumSHA1", ChecksumAlgorithm="SHA1", **key)
    do.do("kept", "s3.head_object", "ChecksumSHA1", Key="k", ChecksumMode="ENABLED", **bucket)
    _gone(do, "conf-checksums")


def versions(do):
    bucket = _bucket(do, "conf-versions")
    do.do("of a new bucket", "s3.get_bucket_versioning", "@", **bucket)
    do.do("enable", "s3.put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"}, **bucket)
    do.do("enabled", "s3.get_bucket_versioning", "@", **bucket)
    key = {"Key": "k", **bucket}
    first = do.do("put", "s3.put_object", "VersionId != null", Body=b"one", **key).get("VersionId")
    do.do("put again", "s3.put_object", "VersionId != null", Body=b"two", **key)
    do.do("delete", "s3.delete_object", "{marker: DeleteMarker, id: VersionId != null}", **key)
    do.do("deleted", "s3.get_object", **key)
    do.do("head of a deleted one", "s3.head_object", **key)
    shown = "{versions: Versions[].[Key, IsLatest, Size], markers: DeleteMarkers[].[Key, IsLatest]}"
    do.do("list", "s3.list_object_versions", shown, **bucket)
    got = do.do("get the first", "s3.get_object", "ContentLength", VersionId=first or "", **key)
    do.note("the first", got["Body"].read().decode() if got else "-")
    do.do("no such version", "s3.get_object", VersionId="3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY", **key)
    do.do("delete the first", "s3.delete_object", "VersionId != null", VersionId=first or "", **key)
    pages = {"MaxKeys": 1, **bucket}
    page = do.do("page", "s3.list_object_versions", "{more: IsTruncated, n: length(Versions || DeleteMarkers)}", **pages)
    marks = {"KeyMarker": page.get("NextKeyMarker", ""), "VersionIdMarker": page.get("NextVersionIdMarker", "")}
    do.do("next page", "s3.list_object_versions", "{more: IsTruncated, n: length(Versions || DeleteMarkers)}", **marks, **pages)
    do.do("suspend", "s3.put_bucket_versioning", VersioningConfiguration={"Status": "Suspended"}, **bucket)
    do.do("put when suspended", "s3.put_object", "VersionId", Body=b"three", **key)
    do.do("neither", "s3.put_bucket_versioning", VersioningConfiguration={"Status": "Off"}, **bucket)
    _gone(do, "conf-versions")


def listings(do):
    bucket = _bucket(do, "conf-listings")
    for key in ["a", "b/1", "b/2", "c/d/1", "e f", "z"]:
        do.set("s3.put_object", Key=key, Body=b"", **bucket)
    keys = "{keys: Contents[].Key, folders: CommonPrefixes[].Prefix, more: IsTruncated, n: KeyCount}"
    do.do("all", "s3.list_objects_v2", keys, **bucket)
    do.do("by prefix", "s3.list_objects_v2", keys, Prefix="b/", **bucket)
    do.do("by folder", "s3.list_objects_v2", keys, Delimiter="/", **bucket)
    page = do.do("page", "s3.list_objects_v2", keys, Delimiter="/", MaxKeys=2, **bucket)
    token = page.get("NextContinuationToken", "")
    do.do("next page", "s3.list_objects_v2", keys, Delimiter="/", MaxKeys=2, ContinuationToken=token, **bucket)
    do.do("behind", "s3.list_objects_v2", keys, StartAfter="b/1", **bucket)
    do.do("nothing", "s3.list_objects_v2", keys, MaxKeys=0, **bucket)
    do.do("bad token", "s3.list_objects_v2", keys, ContinuationToken="nothing", **bucket)
    do.do("the old way", "s3.list_objects", "{keys: Contents[].Key, more: IsTruncated, next: NextMarker}", Delimiter="/", MaxKeys=2, **bucket)
    _gone(do, "conf-listings")


def multipart(do):
    bucket = _bucket(do, "conf-multipart")
    key = {"Key": "k", **bucket}
    upload = do.do("begin", "s3.create_multipart_upload", "{key: Key, id: UploadId != null}", **key).get("UploadId", "")
    part = {"UploadId": upload, **key}
    one = do.do("first part", "s3.upload_part", "ETag", PartNumber=1, Body=b"a" * PART, **part).get("ETag")
    two = do.do("second part", "s3.upload_part", "ETag", PartNumber=2, Body=b"b", **part).get("ETag")
    do.do("part 0", "s3.upload_part", PartNumber=0, Body=b"b", **part)
    do.do("parts", "s3.list_parts", "{parts: Parts[].[PartNumber, Size], more: IsTruncated}", **part)
    do.do("a page of parts", "s3.list_parts", "{parts: Parts[].PartNumber, more: IsTruncated}", MaxParts=1, **part)
    do.do("uploads", "s3.list_multipart_uploads", "Uploads[].Key", **bucket)
    wrong = {"Parts": [{"PartNumber": 1, "ETag": two}]}
    do.do("complete with a wrong part", "s3.complete_multipart_upload", MultipartUpload=wrong, **part)
    backwards = {"Parts": [{"PartNumber": 2, "ETag": two}, {"PartNumber": 1, "ETag": one}]}
    do.do("complete backwards", "s3.complete_multipart_upload", MultipartUpload=backwards, **part)
    parts = {"Parts": [{"PartNumber": 1, "ETag": one}, {"PartNumber": 2, "ETag": two}]}
    do.do("complete", "s3.complete_multipart_upload", "{key: Key, etag: ETag}", MultipartUpload=parts, **part)
    do.do("head", "s3.head_object", "ContentLength", **key)
    gone = ("UploadPart/CompleteMultipartUpload", "upload gone")
    do.do("part of a completed one", "s3.upload_part", aws=gone, PartNumber=1, Body=b"", **part)
    do.do("parts of a completed one", "s3.list_parts", **part)
    upload = do.set("s3.create_multipart_upload", **key).get("UploadId", "")
    part = {"UploadId": upload, **key}
    small = [do.set("s3.upload_part", PartNumber=n, Body=b"small", **part).get("ETag") for n in (1, 2)]
    parts = {"Parts": [{"PartNumber": n + 1, "ETag": etag} for n, etag in enumerate(small)]}
    do.do("small parts", "s3.complete_multipart_upload", MultipartUpload=parts, **part)
    do.do("abort", "s3.abort_multipart_upload", **part)
    do.do("abort again", "s3.abort_multipart_upload", **part)
    do.do("complete an aborted one", "s3.complete_multipart_upload", aws=gone, MultipartUpload=parts, **part)
    _gone(do, "conf-multipart")
