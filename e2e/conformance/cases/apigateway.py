"""HTTP APIs and what is below them."""

import issuer

ABSENT = ("GetApi/DeleteApi/CreateRoute...", "API absent")
API = "{name: Name, kind: ProtocolType, open: DisableExecuteApiEndpoint, route: RouteSelectionExpression, tags: Tags}"


def _api(do, name):
    api = do.set("apigatewayv2.create_api", Name=name, ProtocolType="HTTP").get("ApiId", "")
    return {"ApiId": do.name(api, "api")}


def _integration(do, api):
    arn = f"arn:aws:lambda:{do.region}:{do.account}:function:conf-absent"
    members = {"IntegrationType": "AWS_PROXY", "IntegrationUri": arn, "PayloadFormatVersion": "2.0", "IntegrationMethod": "POST"}
    return do.set("apigatewayv2.create_integration", **members, **api).get("IntegrationId", "")


def apis(do):
    made = do.do("create", "apigatewayv2.create_api", API, Name="conf-api", ProtocolType="HTTP", Tags={"a": "1"})
    same = ("CreateApi", "same name again")
    second = do.do("create again", "apigatewayv2.create_api", API, aws=same, Name="conf-api", ProtocolType="HTTP")
    api, other = do.name(made.get("ApiId"), "api"), second.get("ApiId")
    do.do("get", "apigatewayv2.get_api", API, ApiId=api)
    do.do("both are there", "apigatewayv2.get_apis", "Items[?Name == 'conf-api'].Name")
    do.do("change", "apigatewayv2.update_api", API, ApiId=api, Name="conf-renamed", Description="changed")
    do.do("delete", "apigatewayv2.delete_api", ApiId=api)
    do.do("delete again", "apigatewayv2.delete_api", aws=ABSENT, ApiId=api)
    do.do("get an absent one", "apigatewayv2.get_api", aws=ABSENT, ApiId=api)
    do.do("route of an absent one", "apigatewayv2.create_route", aws=ABSENT, ApiId=api, RouteKey="GET /")
    do.do("stage of an absent one", "apigatewayv2.get_stage", aws=ABSENT, ApiId=api, StageName="$default")
    do.do("integrations of an absent one", "apigatewayv2.get_integrations", aws=ABSENT, ApiId=api)
    wrong = {"Name": "conf-wrong", "ProtocolType": "SMTP"}
    made = [other, do.do("other protocol", "apigatewayv2.create_api", aws="ProtocolType invalid", **wrong).get("ApiId")]
    made.append(do.do("no name", "apigatewayv2.create_api", ProtocolType="HTTP").get("ApiId"))
    for api in filter(None, made):
        do.set("apigatewayv2.delete_api", ApiId=api)


def integrations(do):
    api = _api(do, "conf-integrations")
    arn = f"arn:aws:lambda:{do.region}:{do.account}:function:conf-absent"
    members = {"IntegrationType": "AWS_PROXY", "IntegrationUri": arn, "PayloadFormatVersion": "2.0"}
    shown = "{kind: IntegrationType, uri: IntegrationUri, form: PayloadFormatVersion, method: IntegrationMethod, limit: TimeoutInMillis, by: ConnectionType}"
    made = do.do("create", "apigatewayv2.create_integration", shown, IntegrationMethod="POST", TimeoutInMillis=29000, **members, **api)
    one = {"IntegrationId": do.name(made.get("IntegrationId"), "integration"), **api}
    do.do("get", "apigatewayv2.get_integration", shown, **one)
    do.do("change", "apigatewayv2.update_integration", shown, TimeoutInMillis=10000, **one)
    do.do("list", "apigatewayv2.get_integrations", f"Items[].{shown}", **api)
    do.do("default limit", "apigatewayv2.create_integration", "TimeoutInMillis", **members, **api)
    do.do("long limit", "apigatewayv2.create_integration", TimeoutInMillis=31000, **members, **api)
    do.do("short limit", "apigatewayv2.create_integration", TimeoutInMillis=10, **members, **api)
    do.do("no kind", "apigatewayv2.create_integration", **api)
    do.do("delete", "apigatewayv2.delete_integration", **one)
    absent = ("GetIntegration/DeleteIntegration", "integration absent")
    do.do("delete again", "apigatewayv2.delete_integration", aws=absent, **one)
    do.do("get an absent one", "apigatewayv2.get_integration", aws=absent, **one)
    do.set("apigatewayv2.delete_api", **api)


def routes(do):
    api = _api(do, "conf-routes")
    integration = do.name(_integration(do, api), "integration")
    target = {"Target": f"integrations/{integration}"}
    shown = "{key: RouteKey, target: Target, who: AuthorizationType, key_needed: ApiKeyRequired}"
    made = do.do("create", "apigatewayv2.create_route", shown, RouteKey="POST /score", **target, **api)
    one = {"RouteId": do.name(made.get("RouteId"), "route"), **api}
    again = "route key already present"
    do.do("create again", "apigatewayv2.create_route", shown, aws=again, RouteKey="POST /score", **target, **api)
    do.do("get", "apigatewayv2.get_route", shown, **one)
    do.do("list", "apigatewayv2.get_routes", f"Items[].{shown}", **api)
    do.do("change", "apigatewayv2.update_route", shown, RouteKey="PUT /score", **one)
    do.do("with a variable", "apigatewayv2.create_route", shown, RouteKey="GET /a/{x}", **target, **api)
    differs = "sibling path variable differs"
    do.do("with another variable", "apigatewayv2.create_route", shown, aws=differs, RouteKey="GET /a/{y}/b", **target, **api)
    do.do("bad key", "apigatewayv2.create_route", shown, RouteKey="FETCH /", **target, **api)
    do.do("no path", "apigatewayv2.create_route", shown, RouteKey="GET", **target, **api)
    do.do("the rest", "apigatewayv2.create_route", shown, RouteKey="$default", **target, **api)
    targeted = "route still targets it"
    do.do("delete the target", "apigatewayv2.delete_integration", aws=targeted, IntegrationId=integration, **api)
    do.do("to nothing", "apigatewayv2.create_route", shown, RouteKey="GET /nothing", Target="integrations/absent1", **api)
    do.do("delete", "apigatewayv2.delete_route", **one)
    absent = ("GetRoute/UpdateRoute/DeleteRoute", "route absent")
    do.do("delete again", "apigatewayv2.delete_route", aws=absent, **one)
    do.do("get an absent one", "apigatewayv2.get_route", aws=absent, **one)
    do.do("change an absent one", "apigatewayv2.update_route", aws=absent, RouteKey="GET /", **one)
    do.set("apigatewayv2.delete_api", **api)
    do.do("gone with the API", "apigatewayv2.get_routes", aws=ABSENT, **api)


def _authorizer(do, api, url, name):
    config = {"Issuer": url, "Audience": ["conf"]}
    members = {"AuthorizerType": "JWT", "IdentitySource": ["$request.header.Authorization"], "JwtConfiguration": config}
    return {"Name": name, **members, **api}


def authorizers(do):
    api = _api(do, "conf-authorizers")
    shown = "{name: Name, kind: AuthorizerType, source: IdentitySource, by: JwtConfiguration}"
    with issuer.serving() as url:
        do.name(url, "issuer")
        wanted = _authorizer(do, api, url, "conf")
        made = do.do("create", "apigatewayv2.create_authorizer", shown, **wanted)
        one = {"AuthorizerId": do.name(made.get("AuthorizerId", "absent"), "authorizer"), **api}
        do.do("create again", "apigatewayv2.create_authorizer", shown, **wanted)
        do.do("get", "apigatewayv2.get_authorizer", shown, **one)
        do.do("list", "apigatewayv2.get_authorizers", f"Items[].{shown}", **api)
        do.do("change", "apigatewayv2.update_authorizer", shown, Name="conf-renamed", **one)
        do.do("no source", "apigatewayv2.create_authorizer", shown, **{**wanted, "Name": "none", "IdentitySource": []})
        who = {"AuthorizationType": "JWT", "AuthorizerId": one["AuthorizerId"], "AuthorizationScopes": ["score"]}
        guarded = "{who: AuthorizationType, by: AuthorizerId, scopes: AuthorizationScopes}"
        route = do.do("guard a route", "apigatewayv2.create_route", guarded, RouteKey="POST /", **who, **api)
        do.do("delete while guarding", "apigatewayv2.delete_authorizer", **one)
        do.set("apigatewayv2.delete_route", RouteId=route.get("RouteId", "absent"), **api)
        do.do("delete", "apigatewayv2.delete_authorizer", **one)
        do.do("get an absent one", "apigatewayv2.get_authorizer", **one)
        do.do("guard by an absent one", "apigatewayv2.create_route", guarded, RouteKey="PUT /", **who, **api)
    silent = _authorizer(do, api, url, "silent")
    do.do("of an issuer that does not answer", "apigatewayv2.create_authorizer", shown, **silent)
    do.set("apigatewayv2.delete_api", **api)


def stages(do):
    api = _api(do, "conf-stages")
    shown = "{name: StageName, auto: AutoDeploy, rate: DefaultRouteSettings.ThrottlingRateLimit, burst: DefaultRouteSettings.ThrottlingBurstLimit, tags: Tags}"
    settings = {"ThrottlingRateLimit": 100.0, "ThrottlingBurstLimit": 200}
    stage = {"StageName": "$default", **api}
    do.do("create", "apigatewayv2.create_stage", shown, AutoDeploy=True, DefaultRouteSettings=settings, Tags={"a": "1"}, **stage)
    do.do("create again", "apigatewayv2.create_stage", aws="stage already present", AutoDeploy=True, **stage)
    do.do("get", "apigatewayv2.get_stage", shown, **stage)
    do.do("list", "apigatewayv2.get_stages", f"Items[].{shown}", **api)
    slower = {"ThrottlingRateLimit": 1.0, "ThrottlingBurstLimit": 1}
    do.do("change", "apigatewayv2.update_stage", shown, DefaultRouteSettings=slower, **stage)
    do.do("bad name", "apigatewayv2.create_stage", StageName="a b", **api)
    do.do("delete", "apigatewayv2.delete_stage", **stage)
    absent = ("GetStage/DeleteStage", "stage absent")
    do.do("delete again", "apigatewayv2.delete_stage", aws=absent, **stage)
    do.do("get an absent one", "apigatewayv2.get_stage", aws=absent, **stage)
    do.set("apigatewayv2.delete_api", **api)


def deployments(do):
    api = _api(do, "conf-deployments")
    do.set("apigatewayv2.create_route", RouteKey="GET /", Target=f"integrations/{_integration(do, api)}", **api)
    do.set("apigatewayv2.create_stage", StageName="conf", **api)
    made = do.do("create", "apigatewayv2.create_deployment", "[DeploymentStatus, AutoDeployed]", StageName="conf", **api)
    deployment = {"DeploymentId": do.name(made.get("DeploymentId", "absent"), "deployment"), **api}
    do.do("get", "apigatewayv2.get_deployment", "DeploymentStatus", **deployment)
    do.do("list", "apigatewayv2.get_deployments", "length(Items)", **api)
    do.do("of the stage", "apigatewayv2.get_stage", "DeploymentId", StageName="conf", **api)
    do.do("to an absent stage", "apigatewayv2.create_deployment", StageName="absent", **api)
    do.set("apigatewayv2.delete_api", **api)


def tags(do):
    api = _api(do, "conf-api-tags")
    arn = {"ResourceArn": f"arn:aws:apigateway:{do.region}::/apis/{api['ApiId']}"}
    do.do("none", "apigatewayv2.get_tags", "Tags", **arn)
    do.do("add", "apigatewayv2.tag_resource", Tags={"a": "1", "b": "2"}, **arn)
    do.do("list", "apigatewayv2.get_tags", "Tags", **arn)
    do.do("with the API", "apigatewayv2.get_api", "Tags", **api)
    do.do("remove", "apigatewayv2.untag_resource", TagKeys=["a", "absent"], **arn)
    do.do("left", "apigatewayv2.get_tags", "Tags", **arn)
    do.set("apigatewayv2.delete_api", **api)
    do.do("of an absent API", "apigatewayv2.get_tags", **arn)


def pages(do):
    made = [do.set("apigatewayv2.create_api", Name=f"conf-page-{n}", ProtocolType="HTTP").get("ApiId", "") for n in range(3)]
    first = do.do("first page", "apigatewayv2.get_apis", "{n: length(Items), more: NextToken != null}", MaxResults="2")
    do.do("next page", "apigatewayv2.get_apis", "{n: length(Items) > `0`}", MaxResults="2", NextToken=first.get("NextToken", ""))
    do.do("no number", "apigatewayv2.get_apis", "length(Items) >= `3`", MaxResults="some")
    for api in made:
        do.set("apigatewayv2.delete_api", ApiId=api)

