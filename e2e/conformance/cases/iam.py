"""Roles and their policies."""

import json

PATH = "/conformance/"
ROLE = "Role.{Path: Path, RoleName: RoleName, Arn: Arn, Description: Description, Session: MaxSessionDuration}"


def _document(action="sts:AssumeRole", **more):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, **more}]})


def _trust(service="sagemaker.amazonaws.com"):
    return _document(Principal={"Service": service})


def _policy(resource="*"):
    return _document("s3:GetObject", Resource=resource)


def _role(do, name, trust=None, **more):
    do.set("iam.create_role", RoleName=name, Path=PATH, AssumeRolePolicyDocument=trust or _trust(), **more)


def roles(do):
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    members = {"RoleName": "Conf-Role", "AssumeRolePolicyDocument": _trust()}
    do.do("create", "iam.create_role", ROLE, Path=PATH, Description="made", Tags=tags, **members)
    do.do("create again", "iam.create_role", aws="name already used (case-insensitive)", **members)
    do.do("create in other case", "iam.create_role", RoleName="conf-role", AssumeRolePolicyDocument=_trust())
    do.do("get", "iam.get_role", ROLE, RoleName="Conf-Role")
    do.do("trust", "iam.get_role", "Role.AssumeRolePolicyDocument", RoleName="Conf-Role")
    do.do("change", "iam.update_role", RoleName="Conf-Role", Description="changed", MaxSessionDuration=7200)
    do.do("changed", "iam.get_role", ROLE, RoleName="Conf-Role")
    do.do("trust others", "iam.update_assume_role_policy", RoleName="Conf-Role", PolicyDocument=_trust("lambda.amazonaws.com"))
    do.do("other trust", "iam.get_role", "Role.AssumeRolePolicyDocument.Statement[].Principal", RoleName="Conf-Role")
    do.do("delete", "iam.delete_role", RoleName="Conf-Role")
    do.do("deleted", "iam.get_role", aws="absent", RoleName="Conf-Role")
    do.do("delete again", "iam.delete_role", aws="absent", RoleName="Conf-Role")


def wrong_roles(do):
    do.do("no JSON", "iam.create_role", aws="trust JSON invalid", RoleName=do.new("wrong"), AssumeRolePolicyDocument="{")
    do.do("no document", "iam.create_role", RoleName=do.new("wrong"), AssumeRolePolicyDocument="")
    do.do("no trust", "iam.create_role", RoleName=do.new("wrong"))
    do.do("bad name", "iam.create_role", RoleName="conf wrong", AssumeRolePolicyDocument=_trust())
    do.do("long name", "iam.create_role", RoleName="n" * 65, AssumeRolePolicyDocument=_trust())
    do.do("bad path", "iam.create_role", RoleName=do.new("wrong"), Path="conf", AssumeRolePolicyDocument=_trust())
    short = {"RoleName": do.new("wrong"), "AssumeRolePolicyDocument": _trust(), "MaxSessionDuration": 60}
    do.do("short session", "iam.create_role", **short)
    do.do("change an absent one", "iam.update_role", RoleName="conf-absent")
    do.do("trust of an absent one", "iam.update_assume_role_policy", RoleName="conf-absent", PolicyDocument=_trust())
    _role(do, "conf-wrong")
    do.do("bad trust", "iam.update_assume_role_policy", RoleName="conf-wrong", PolicyDocument="{")
    do.set("iam.delete_role", RoleName="conf-wrong")
    for name in ["conf wrong", "n" * 65]:
        do.look("iam.delete_role", RoleName=name)


def inline_policies(do):
    _role(do, "conf-inline")
    role = {"RoleName": "conf-inline"}
    do.do("none", "iam.list_role_policies", "PolicyNames", **role)
    do.do("absent", "iam.get_role_policy", aws="policy absent", PolicyName="one", **role)
    do.do("delete an absent one", "iam.delete_role_policy", aws="policy absent", PolicyName="one", **role)
    do.do("put", "iam.put_role_policy", PolicyName="one", PolicyDocument=_policy(), **role)
    do.do("put again", "iam.put_role_policy", PolicyName="one", PolicyDocument=_policy("arn:aws:s3:::b/*"), **role)
    do.do("get", "iam.get_role_policy", "@", PolicyName="one", **role)
    do.do("put another", "iam.put_role_policy", PolicyName="two", PolicyDocument=_policy(), **role)
    do.do("list", "iam.list_role_policies", "{names: PolicyNames, more: IsTruncated}", **role)
    do.do("no JSON", "iam.put_role_policy", PolicyName="no-json", PolicyDocument="{", **role)
    do.do("no statement", "iam.put_role_policy", PolicyName="no-statement", PolicyDocument='{"Version": "2012-10-17"}', **role)
    do.do("bad name", "iam.put_role_policy", PolicyName="a b", PolicyDocument=_policy(), **role)
    large = _policy([f"arn:aws:s3:::bucket/{n:0100}" for n in range(100)])
    do.do("too large", "iam.put_role_policy", aws="inline quota 10,240", PolicyName="large", PolicyDocument=large, **role)
    for name in ["no-json", "no-statement", "a b", "large"]:
        do.look("iam.delete_role_policy", PolicyName=name, **role)
    do.do("in the way", "iam.delete_role", aws="inline policies present", **role)
    do.do("delete", "iam.delete_role_policy", PolicyName="one", **role)
    do.do("delete another", "iam.delete_role_policy", PolicyName="two", **role)
    do.do("delete the role", "iam.delete_role", **role)
    do.do("put to an absent role", "iam.put_role_policy", aws="role absent", PolicyName="one", PolicyDocument=_policy(), **role)
    for call in ["list_role_policies", "list_attached_role_policies", "list_role_tags", "list_instance_profiles_for_role"]:
        do.do(f"{call} of an absent role", f"iam.{call}", **role)
    do.do("get of an absent role", "iam.get_role_policy", PolicyName="one", **role)


def managed_policies(do):
    _role(do, "conf-managed")
    arn = f"arn:aws:iam::{do.account}:policy/conf-absent"
    do.do("none", "iam.list_attached_role_policies", "AttachedPolicies", RoleName="conf-managed")
    do.do("attach an absent one", "iam.attach_role_policy", aws="managed policy absent", RoleName="conf-managed", PolicyArn=arn)
    do.do("detach an absent one", "iam.detach_role_policy", RoleName="conf-managed", PolicyArn=arn)
    do.do("no profiles", "iam.list_instance_profiles_for_role", "InstanceProfiles", RoleName="conf-managed")
    do.set("iam.delete_role", RoleName="conf-managed")


def tags(do):
    _role(do, "conf-tags", Tags=[{"Key": "a", "Value": "1"}])
    role = {"RoleName": "conf-tags"}
    sorted_tags = "sort_by(Tags, &Key)"
    do.do("add and change", "iam.tag_role", Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}], **role)
    do.do("list", "iam.list_role_tags", sorted_tags, **role)
    do.do("with the role", "iam.get_role", f"Role.{sorted_tags}", **role)
    do.do("remove", "iam.untag_role", TagKeys=["a", "absent"], **role)
    do.do("left", "iam.list_role_tags", sorted_tags, **role)
    do.do("too many", "iam.tag_role", Tags=[{"Key": f"k{n}", "Value": ""} for n in range(51)], **role)
    do.do("the same key twice", "iam.tag_role", Tags=[{"Key": "x", "Value": "1"}, {"Key": "x", "Value": "2"}], **role)
    do.do("of an absent role", "iam.tag_role", RoleName="conf-absent", Tags=[{"Key": "a", "Value": "1"}])
    do.set("iam.delete_role", **role)


def pages(do):
    for n in range(5):
        _role(do, f"conf-page-{n}")
    names, count = "sort(Roles[].RoleName)", "{roles: length(Roles), more: IsTruncated, marked: Marker != null}"
    first = do.do("first page", "iam.list_roles", count, PathPrefix=PATH, MaxItems=2)
    second = do.do("second page", "iam.list_roles", count, PathPrefix=PATH, MaxItems=2, Marker=first.get("Marker", ""))
    third = do.look("iam.list_roles", PathPrefix=PATH, MaxItems=2, Marker=second.get("Marker", ""))
    roles = [role["RoleName"] for page in (first, second, third) for role in page.get("Roles", [])]
    do.note("all pages", json.dumps(sorted(roles)))
    do.do("all at once", "iam.list_roles", names, PathPrefix=PATH)
    do.do("of another path", "iam.list_roles", names, PathPrefix="/conf-nothing/")
    do.do("no page", "iam.list_roles", None, PathPrefix=PATH, MaxItems=0)
    do.do("large page", "iam.list_roles", None, PathPrefix=PATH, MaxItems=1001)
    for n in range(5):
        do.set("iam.delete_role", RoleName=f"conf-page-{n}")
