"""S3 as boto3's own transfers use it, and the errors that its users read.

    python storage.py http://127.0.0.1:1

The environment gives key and secret. The expected answers are AWS's: recorded by LocalStack's snapshot tests, or by tests
of moto that are marked as verified.
"""

import os
import sys
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

MIB = 1 << 20
CONFIG = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})


def refused(call, code, status=400, **members):
    """Makes a call that must be refused, with these elements beside code and message."""
    try:
        call()
    except ClientError as error:
        found, got = error.response["Error"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert (found["Code"], got) == (code, status), f"{found} {got}, and not {code} {status}"
        for name, value in members.items():
            assert found.get(name) == str(value), f"{name} of {found} is not {value}"
        return error.response
    raise AssertionError(f"{code} was expected")


class Storage:
    def __init__(self, url):
        key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
        self.session = boto3.Session(key, secret, region_name="us-east-1")
        self.s3 = self.session.client("s3", endpoint_url=url, config=CONFIG)
        for bucket in ["storage-from", "storage-to"]:
            self.s3.create_bucket(Bucket=bucket)

    def body(self, bucket, key):
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def copies(self):
        """`copy()` of boto3, as the AWS CLI's `cp` does it: in parts from the threshold on."""
        s3, source = self.s3, {"Bucket": "storage-from", "Key": "large"}
        data = bytes(n % 251 for n in range(12 * MIB + 7))
        s3.put_object(Body=data, Metadata={"made": "here"}, **source)
        config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
        s3.copy(source, "storage-to", "large", Config=config)
        assert self.body("storage-to", "large") == data
        head = s3.head_object(Bucket="storage-to", Key="large", PartNumber=3)
        assert head["ETag"].endswith('-3"') and head["PartsCount"] == 3, head
        assert (head["ResponseMetadata"]["HTTPStatusCode"], head["ContentLength"]) == (206, 2 * MIB + 7), head
        small = TransferConfig(multipart_threshold=16 * MIB)
        s3.copy(source, "storage-to", "whole", Config=small)
        assert self.body("storage-to", "whole") == data

        target = {"Bucket": "storage-to", "Key": "parts"}
        target["UploadId"] = s3.create_multipart_upload(ChecksumAlgorithm="CRC32C", **target)["UploadId"]
        part = lambda number=1, **members: s3.upload_part_copy(CopySource=source, PartNumber=number, **target, **members)
        size = len(data)
        refused(lambda: part(CopySourceRange="0-8"), "InvalidArgument", ArgumentName="x-amz-copy-source-range", ArgumentValue="0-8")
        refused(lambda: part(CopySourceRange=f"bytes=0-{size}"), "InvalidArgument", ArgumentValue=f"bytes=0-{size}")
        refused(lambda: part(CopySourceRange=f"bytes={size}-{size + 1}"), "InvalidRequest")
        refused(lambda: part(number=0), "InvalidArgument", ArgumentName="partNumber", ArgumentValue=0)
        etag = s3.head_object(**source)["ETag"]
        condition = "x-amz-copy-source-If-None-Match"
        refused(lambda: part(CopySourceIfNoneMatch=etag), "PreconditionFailed", 412, Condition=condition)
        refused(lambda: part(CopySourceIfMatch="other"), "PreconditionFailed", 412, Condition="x-amz-copy-source-If-Match")
        absent = {"Bucket": "storage-from", "Key": "absent"}
        copy = lambda source: s3.upload_part_copy(CopySource=source, PartNumber=1, **target)
        refused(lambda: copy(absent), "NoSuchKey", 404, Key="absent")
        refused(lambda: copy({"Bucket": "storage-none", "Key": "k"}), "NoSuchBucket", 404, BucketName="storage-none")
        wanted = []
        for number, (first, last) in enumerate([(0, 5 * MIB - 1), (5 * MIB, size - 1)], 1):
            result = part(number, CopySourceRange=f"bytes={first}-{last}", CopySourceIfMatch=etag)["CopyPartResult"]
            wanted.append({"PartNumber": number, "ETag": result["ETag"], "ChecksumCRC32C": result["ChecksumCRC32C"]})
        s3.complete_multipart_upload(MultipartUpload={"Parts": wanted}, **target)
        assert self.body("storage-to", "parts") == data
        told = s3.get_object_attributes(
            Bucket="storage-to", Key="parts", ObjectAttributes=["ETag", "Checksum", "ObjectParts", "ObjectSize"]
        )
        assert told["ObjectSize"] == size and '"' not in told["ETag"] and told["Checksum"]["ChecksumType"] == "COMPOSITE", told
        parts = told["ObjectParts"]
        assert parts["TotalPartsCount"] == 2 and [one["Size"] for one in parts["Parts"]] == [5 * MIB, size - 5 * MIB], told

    def completions(self):
        """A client that lost the answer completes again, and reads the same answer."""
        s3, target = self.s3, {"Bucket": "storage-to", "Key": "again"}
        target["UploadId"] = s3.create_multipart_upload(**target)["UploadId"]
        refused(lambda: s3.complete_multipart_upload(**target), "InvalidRequest")
        refused(lambda: s3.complete_multipart_upload(MultipartUpload={"Parts": []}, **target), "MalformedXML")
        etags = [s3.upload_part(PartNumber=number, Body=b"x" * 10, **target)["ETag"] for number in (1, 2)]
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        complete = lambda parts, **members: s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **target, **members)
        bare = etags[0].strip('"')
        refused(lambda: complete(parts), "EntityTooSmall", PartNumber=1, ProposedSize=10, MinSizeAllowed=5 * MIB, ETag=bare)
        refused(lambda: complete(parts[::-1]), "InvalidPartOrder", UploadId=target["UploadId"])
        wrong = [{"PartNumber": 3, "ETag": etags[0]}]
        refused(lambda: complete(wrong), "InvalidPart", PartNumber=3, ETag=bare, UploadId=target["UploadId"])
        first = complete(parts[:1])
        second = complete(parts[:1], IfNoneMatch="*")
        assert first["ETag"] == second["ETag"] and first["ChecksumCRC64NVME"] == second["ChecksumCRC64NVME"]
        refused(lambda: complete(parts), "NoSuchUpload", 404, UploadId=target["UploadId"])
        s3.delete_object(Bucket="storage-to", Key="again")
        refused(lambda: complete(parts[:1]), "NoSuchUpload", 404)

    def reads(self):
        s3, one = self.s3, {"Bucket": "storage-from", "Key": "k"}
        etag = s3.put_object(Body=b"0123456789", **one)["ETag"]
        refused(lambda: s3.get_object(Bucket="storage-none", Key="k"), "NoSuchBucket", 404, BucketName="storage-none")
        refused(lambda: s3.get_object(Bucket="storage-from", Key="a b&c"), "NoSuchKey", 404, Key="a b&c")
        refused(lambda: s3.get_object(Range="bytes=20-", **one), "InvalidRange", 416, ActualObjectSize=10, RangeRequested="bytes=20-")
        refused(lambda: s3.get_object(PartNumber=2, **one), "InvalidPartNumber", 416, ActualPartCount=1, PartNumberRequested=2)
        refused(lambda: s3.get_object(IfMatch='"other"', **one), "PreconditionFailed", 412, Condition="If-Match")
        refused(lambda: s3.put_object(IfNoneMatch="*", **one), "PreconditionFailed", 412, Condition="If-None-Match")
        refused(lambda: s3.put_object(IfNoneMatch=etag, **one), "NotImplemented", 501, Header="If-None-Match")
        refused(lambda: s3.get_object(VersionId="bad", **one), "InvalidArgument", ArgumentName="versionId", ArgumentValue="bad")
        refused(lambda: s3.list_objects_v2(Bucket="storage-from", ContinuationToken=""), "InvalidArgument", ArgumentName="continuation-token")
        for ignored in ["bytes=1-0", "bytes=0-1,3-4", "lines=0-1"]:
            whole = s3.get_object(Range=ignored, **one)
            assert (whole["ResponseMetadata"]["HTTPStatusCode"], whole["Body"].read()) == (200, b"0123456789"), ignored
        assert s3.head_object(Range="bytes=0-1", **one)["ResponseMetadata"]["HTTPStatusCode"] == 206
        for tag in [etag, etag[1:-1], etag[:-1], etag[1:]]:
            assert s3.get_object(IfMatch=tag, **one)["ETag"] == etag, tag
        refused(lambda: s3.get_object(IfMatch="un known", **one), "PreconditionFailed", 412, Condition="If-Match")
        for tag in [etag[:-1], etag[1:]]:
            s3.put_object(Body=b"0123456789", IfMatch=tag, **one)
        refused(lambda: s3.put_object(Body=b"x", IfMatch='"other', **one), "PreconditionFailed", 412, Condition="If-Match")
        assert self.body("storage-from", "k") == b"0123456789"
        kind = s3.head_bucket(Bucket="storage-from")["ResponseMetadata"]["HTTPHeaders"]["content-type"]
        assert kind == "application/xml", kind
        self_copy = {"CopySource": one, **one}
        refused(lambda: s3.copy_object(**self_copy), "InvalidRequest")
        s3.copy_object(StorageClass="STANDARD", **self_copy)
        rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        s3.put_bucket_encryption(Bucket="storage-from", ServerSideEncryptionConfiguration={"Rules": rules})
        s3.copy_object(**self_copy)
        s3.delete_bucket_encryption(Bucket="storage-from")

    def versions(self):
        s3, one = self.s3, {"Bucket": "storage-versions", "Key": "k"}
        s3.create_bucket(Bucket="storage-versions")
        s3.put_bucket_versioning(Bucket="storage-versions", VersioningConfiguration={"Status": "Enabled"})
        gone = s3.put_object(Body=b"x", **one)["VersionId"]
        s3.delete_object(VersionId=gone, **one)
        s3.put_object(Body=b"x", **one)
        refused(lambda: s3.get_object(VersionId=gone, **one), "NoSuchVersion", 404, Key="k", VersionId=gone)
        altered = gone[:-4] + "ABCD"
        refused(lambda: s3.delete_object(VersionId=altered, **one), "InvalidArgument", ArgumentName="versionId", ArgumentValue=altered)
        marker = s3.delete_object(**one)["VersionId"]
        answer = refused(
            lambda: s3.get_object(VersionId=marker, **one), "MethodNotAllowed", 405, Method="GET", ResourceType="DeleteMarker"
        )
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        assert (headers["allow"], headers["x-amz-delete-marker"]) == ("DELETE", "true"), headers

    def members(self):
        """What would change the answer is refused by name, and a wrong value in AWS's words."""
        s3, one = self.s3, {"Bucket": "storage-from", "Key": "k"}
        put = lambda **members: s3.put_object(Body=b"x", **one, **members)
        refused(lambda: put(StorageClass="OUTPOSTS"), "InvalidStorageClass", StorageClassRequested="OUTPOSTS")
        refused(lambda: put(ServerSideEncryption="rot13"), "InvalidArgument", ArgumentName="x-amz-server-side-encryption", ArgumentValue="rot13")
        refused(lambda: put(ACL="fake-acl"), "InvalidArgument", ArgumentName="x-amz-acl", ArgumentValue="fake-acl")
        refused(lambda: put(ACL="public-read"), "AccessControlListNotSupported")
        refused(lambda: put(ExpectedBucketOwner="111122223333"), "AccessDenied", 403)
        refused(lambda: put(ExpectedBucketOwner="x"), "InvalidBucketOwnerAWSAccountID")
        refused(lambda: put(SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 32), "NotImplemented", 501)
        refused(lambda: put(ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=2000000000), "InvalidRequest")
        locked = lambda: s3.create_bucket(Bucket="storage-locked", ObjectLockEnabledForBucket=True)
        assert "ObjectLockEnabledForBucket" in refused(locked, "NotImplemented", 501)["Error"]["Message"]
        refused(lambda: s3.delete_object(BypassGovernanceRetention=True, **one), "InvalidArgument", ArgumentName="x-amz-bypass-governance-retention")
        put(StorageClass="GLACIER")
        refused(lambda: s3.get_object(**one), "InvalidObjectState", 403, StorageClass="GLACIER")
        copy = lambda: s3.copy_object(Bucket="storage-to", Key="k", CopySource=one)
        refused(copy, "ObjectNotInActiveTierError", 403)
        told = put(ServerSideEncryption="aws:kms", BucketKeyEnabled=True)
        assert told["BucketKeyEnabled"] is True and s3.head_object(**one)["BucketKeyEnabled"] is True, told
        blocked = {"Rules": [{
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
            "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
        }]}
        encrypt = lambda: s3.put_bucket_encryption(Bucket="storage-from", ServerSideEncryptionConfiguration=blocked)
        refused(encrypt, "NotImplemented", 501)
        tags = {"TagSet": [{"Key": "aws:a", "Value": "1"}]}
        refused(lambda: s3.put_bucket_tagging(Bucket="storage-from", Tagging=tags), "InvalidTag", TagKey="aws:a")
        rule = {"Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1, "ExpiredObjectDeleteMarker": True}}
        lifecycle = lambda: s3.put_bucket_lifecycle_configuration(Bucket="storage-from", LifecycleConfiguration={"Rules": [rule]})
        refused(lifecycle, "MalformedXML")
        grants = s3.get_bucket_acl(Bucket="storage-from")["Grants"]
        assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL"], grants
        assert s3.get_object_acl(**one)["Grants"] == grants
        refused(lambda: s3.get_bucket_policy_status(Bucket="storage-from"), "NoSuchBucketPolicy", 404, BucketName="storage-from")

    def presigned(self):
        """A range that is ignored is one of a presigned URL too."""
        self.s3.put_object(Bucket="storage-from", Key="signed", Body=b"0123456789")
        url = self.s3.generate_presigned_url("get_object", Params={"Bucket": "storage-from", "Key": "signed"})
        request = urllib.request.Request(url, headers={"Range": "bytes=1-0"})
        with urllib.request.urlopen(request) as answer:
            assert (answer.status, answer.read()) == (200, b"0123456789")


def main():
    storage = Storage(sys.argv[1])
    parts = [storage.copies, storage.completions, storage.reads, storage.versions, storage.members, storage.presigned]
    for part in parts:
        part()
    print(f"{len(parts)} parts of S3")


if __name__ == "__main__":
    main()
