//! The server: what clients of either era of the protocol may ask, answered from toolbox, engine, resources and prompts.
//!
//! Holds no state of a connection: whatever a call needs comes with it.

use std::{future::Future, panic::AssertUnwindSafe, pin::Pin, sync::Arc};

use cloudstack_api::call::closest;
use cloudstack_engine::{Caller, Engine};
use futures_util::FutureExt;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, CompletionInfo, CustomRequest, CustomResult,
        DiscoverResult, ErrorCode, GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult, ListResourceTemplatesResult,
        ListResourcesResult, ListToolsResult, MetaObject, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, Reference,
        ServerCapabilities, ServerConfig, Tool as Definition,
    },
    service::RequestContext,
};

use super::{ServeOptions, approval::Approver, progress, prompts, reply, resources, surface::Toolbox, tools::Call};

/// How long clients may keep what only a new version of the program changes.
const FRESH_MS: u64 = 3_600_000;
/// The member of `_meta` that names this server.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// Methods that the protocol knows: asked for with parameters that cannot be read, they are no unknown methods.
const METHODS: [&str; 9] = [
    "tools/call",
    "tools/list",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "server/discover",
];

/// Whoever the bearer token of an HTTP request stands for; put into the request by the transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Principal(pub(super) String);

/// The server. Cheap to clone; clones share everything.
#[derive(Clone)]
pub(super) struct Server(Arc<Inner>);

struct Inner {
    engine: Engine,
    options: ServeOptions,
    toolbox: Toolbox,
    meta: MetaObject,
    #[cfg(feature = "conformance")]
    fixtures: super::fixtures::Fixtures,
}

impl Server {
    pub(super) fn new(engine: Engine, options: ServeOptions, toolbox: Toolbox) -> Self {
        let mut meta = MetaObject::new();
        if let Ok(info) = serde_json::to_value(implementation()) {
            meta.insert(SERVER_INFO.to_owned(), info);
        }
        Self(Arc::new(Inner {
            engine,
            options,
            toolbox,
            meta,
            #[cfg(feature = "conformance")]
            fixtures: super::fixtures::Fixtures::default(),
        }))
    }

    /// Makes the list of tools before a client asks for it.
    pub(super) async fn prepare(self) {
        self.0.toolbox.shown(&self.0.engine, self.0.options.clock.as_ref()).await;
    }

    /// The settings it was made with.
    pub(super) fn options(&self) -> &ServeOptions {
        &self.0.options
    }

    fn meta(&self) -> MetaObject {
        self.0.meta.clone()
    }

    /// Who makes a call.
    fn caller(&self, context: &RequestContext<RoleServer>) -> Caller {
        let principal =
            context.extensions.get::<http::request::Parts>().map(|parts| parts.extensions.get::<Principal>().map_or("http", |principal| &principal.0));
        Caller {
            client: context.client_info().map(|client| format!("{} {}", client.name, client.version)),
            read_only: self.0.options.read_only,
            scope: self.0.toolbox.scope().clone(),
            ..Caller::new(principal.unwrap_or("stdio"), self.0.options.surface.word())
        }
    }

    /// A tool's answer; the call is dropped when its client takes it back.
    async fn answer(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = self.0.toolbox.tool(&request.name) else {
            #[cfg(feature = "conformance")]
            if self.0.fixtures.has_tool(&request.name) {
                return self.0.fixtures.call_tool(request, context).await;
            }
            return Err(self.unknown_tool(&request.name));
        };
        let (latest, teller) = progress::channel(&context, Arc::clone(&self.0.options.clock));
        let call = Call {
            engine: &self.0.engine,
            caller: self.caller(&context),
            approver: Approver::of(&request, &context),
            arguments: request.arguments.unwrap_or_default(),
            watch: &latest,
        };
        let answered = tokio::select! {
            () = context.ct.cancelled() => return Err(ErrorData::internal_error("cancelled", None)),
            never = teller.tell() => match never {},
            answered = tool.call(call) => answered,
        };
        Ok(match answered {
            Ok(reply) => reply.into_response(self.meta()),
            Err(report) => reply::failure(&report, self.meta()),
        })
    }

    fn unknown_tool(&self, name: &str) -> ErrorData {
        if let Some(toolset) = self.0.toolbox.toolset_of(name) {
            let message = format!("the tool `{name}` is not loaded: it is in the toolset `{toolset}`, which `--toolsets {toolset}` or `--toolsets all` loads");
            return ErrorData::invalid_params(message, None);
        }
        let names: Vec<&str> = self.0.toolbox.tools().iter().map(|tool| tool.definition().name.as_ref()).collect();
        let hint = closest(name, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        ErrorData::invalid_params(format!("unknown tool `{name}`{hint}"), None)
    }
}

/// Name and version of this program.
fn implementation() -> Implementation {
    Implementation::new("cloudstack-mcp", env!("CARGO_PKG_VERSION")).with_title("Apache CloudStack")
}

/// The work, or an error where it panics: a request without an answer would leave its client waiting for ever.
///
/// In a box: the library copies what it is handed several times before it begins, however large that is.
fn guarded<'w, T: 'w>(work: impl Future<Output = Result<T, ErrorData>> + Send + 'w) -> Pin<Box<dyn Future<Output = Result<T, ErrorData>> + Send + 'w>> {
    let work = AssertUnwindSafe(work).catch_unwind();
    Box::pin(work.map(|done| {
        done.unwrap_or_else(|_| {
            tracing::error!("a request hit a defect of this program");
            Err(ErrorData::internal_error("a defect of this program; what the cloud did is unknown", None))
        })
    }))
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().enable_completions().build();
        #[cfg(feature = "conformance")]
        let capabilities = super::fixtures::capabilities(capabilities);
        ServerConfig::new(capabilities).with_server_info(implementation()).with_instructions(include_str!("instructions.md"))
    }

    async fn discover(&self, _context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        Ok(DiscoverResult::from_server_info(self.supported_protocol_versions().into_owned(), self.get_info())
            .with_ttl_ms(FRESH_MS)
            .with_cache_scope(CacheScope::Public))
    }

    fn get_tool(&self, name: &str) -> Option<Definition> {
        #[cfg(feature = "conformance")]
        if let Some(definition) = self.0.fixtures.tool(name) {
            return Some(definition);
        }
        self.0.toolbox.tool(name).map(|tool| tool.definition().clone())
    }

    async fn list_tools(&self, _request: Option<PaginatedRequestParams>, _context: RequestContext<RoleServer>) -> Result<ListToolsResult, ErrorData> {
        guarded(async {
            let tools = self.0.toolbox.shown(&self.0.engine, self.0.options.clock.as_ref()).await;
            let tools: Vec<Definition> = tools.into_iter().map(|tool| tool.definition().clone()).collect();
            #[cfg(feature = "conformance")]
            let tools = self.0.fixtures.with_tools(tools);
            let listed = ListToolsResult { meta: Some(self.meta()), ..ListToolsResult::with_all_items(tools) };
            Ok(listed.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Private))
        })
        .await
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        guarded(self.answer(request, context)).await
    }

    async fn list_resources(&self, _request: Option<PaginatedRequestParams>, _context: RequestContext<RoleServer>) -> Result<ListResourcesResult, ErrorData> {
        let resources = resources::list();
        #[cfg(feature = "conformance")]
        let resources = self.0.fixtures.with_resources(resources);
        let listed = ListResourcesResult { meta: Some(self.meta()), ..ListResourcesResult::with_all_items(resources) };
        Ok(listed.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Public))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates = resources::templates();
        #[cfg(feature = "conformance")]
        let templates = self.0.fixtures.with_templates(templates);
        let listed = ListResourceTemplatesResult { meta: Some(self.meta()), ..ListResourceTemplatesResult::with_all_items(templates) };
        Ok(listed.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Public))
    }

    async fn read_resource(&self, request: ReadResourceRequestParams, _context: RequestContext<RoleServer>) -> Result<ReadResourceResponse, ErrorData> {
        #[cfg(feature = "conformance")]
        if let Some(result) = self.0.fixtures.read_resource(&request.uri) {
            return Ok(result.into());
        }
        let mut result = guarded(async { resources::read(&self.0.engine, &request.uri) }).await?;
        result.meta = Some(self.meta());
        Ok(result.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Private).into())
    }

    async fn list_prompts(&self, _request: Option<PaginatedRequestParams>, _context: RequestContext<RoleServer>) -> Result<ListPromptsResult, ErrorData> {
        let prompts = prompts::list();
        #[cfg(feature = "conformance")]
        let prompts = self.0.fixtures.with_prompts(prompts);
        let listed = ListPromptsResult { meta: Some(self.meta()), ..ListPromptsResult::with_all_items(prompts) };
        Ok(listed.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Public))
    }

    async fn get_prompt(&self, request: GetPromptRequestParams, _context: RequestContext<RoleServer>) -> Result<GetPromptResponse, ErrorData> {
        #[cfg(feature = "conformance")]
        if let Some(response) = self.0.fixtures.prompt(&request) {
            return response;
        }
        let mut result = prompts::fill_in(&request.name, request.arguments.as_ref())?;
        result.meta = Some(self.meta());
        Ok(result.into())
    }

    async fn complete(&self, request: CompleteRequestParams, _context: RequestContext<RoleServer>) -> Result<CompleteResult, ErrorData> {
        let names = match &request.r#ref {
            Reference::Resource(template) if template.uri == resources::COMMAND_TEMPLATE && request.argument.name == "name" => {
                resources::complete(self.0.toolbox.catalog(), &request.argument.value)
            }
            _ => Vec::new(),
        };
        let total = u32::try_from(names.len()).ok();
        let has_more = names.len() > CompletionInfo::MAX_VALUES;
        let shown = names.into_iter().take(CompletionInfo::MAX_VALUES).collect();
        let info = CompletionInfo::with_pagination(shown, total, has_more).map_err(|error| ErrorData::internal_error(error, None))?;
        let mut result = CompleteResult::new(info);
        result.meta = Some(self.meta());
        Ok(result)
    }

    #[cfg(feature = "conformance")]
    fn accepted_subscription_filter(&self, requested: &rmcp::model::SubscriptionFilter) -> Option<rmcp::model::SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    #[cfg(feature = "conformance")]
    async fn listen(&self, context: rmcp::service::SubscriptionContext) -> Result<(), ErrorData> {
        self.0.fixtures.listen(&context).await;
        Ok(())
    }

    #[cfg(feature = "conformance")]
    async fn subscribe(&self, _request: rmcp::model::SubscribeRequestParams, _context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    #[cfg(feature = "conformance")]
    async fn unsubscribe(&self, _request: rmcp::model::UnsubscribeRequestParams, _context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    #[cfg(feature = "conformance")]
    #[expect(deprecated, reason = "the suite asks for logging, which the protocol is about to drop")]
    async fn set_level(&self, _request: rmcp::model::SetLevelRequestParams, _context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn on_custom_request(&self, request: CustomRequest, _context: RequestContext<RoleServer>) -> Result<CustomResult, ErrorData> {
        if METHODS.contains(&request.method.as_str()) {
            return Err(ErrorData::invalid_params(format!("the parameters of `{}` cannot be read", request.method), None));
        }
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("unknown method `{}`", request.method), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered() {
        let answered: Result<(), ErrorData> = guarded(async { panic!("a defect") }).await;
        assert_eq!(answered.unwrap_err().code, ErrorCode::INTERNAL_ERROR);
    }

    #[test]
    fn the_instructions_are_not_cut_by_any_host() {
        assert!(include_str!("instructions.md").len() < 2_048);
    }
}
