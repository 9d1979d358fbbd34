//! The OpenAPI document: made of the routes themselves.

use axum::Json;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, Info, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};

/// What the document says before the first route.
pub(super) fn about() -> OpenApi {
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let signature = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
        "X-Hub-Signature-256",
        "Of the request's body, with the secret that the forge and windlass share",
    )));
    let schemes =
        ComponentsBuilder::new().security_scheme("token", bearer).security_scheme("signature", signature);
    OpenApiBuilder::new().info(info()).components(Some(schemes.build())).build()
}

fn info() -> Info {
    InfoBuilder::new()
        .title("windlass")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Events in, runs out, and what people decide. Answers are the values that the command line prints with `-o json`; whatever fails is \
             answered with problem details (RFC 9457). A token is asked for as `Authorization: Bearer TOKEN`; its role is the one named with each \
             path, or one above it: viewer, deployer, approver, admin. Members may be added; unknown ones must be ignored.",
        ))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build()
}

/// The whole document.
pub fn whole() -> OpenApi {
    super::described().merge(super::open()).into_openapi()
}

/// This document
#[utoipa::path(get, path = "/v1/openapi.json", tag = "health", operation_id = "openapi", responses((status = 200, body = Object, description = "The OpenAPI document, version 3.1")), security(()))]
pub(super) async fn document() -> Json<OpenApi> {
    Json(whole())
}
