//! How a person is asked for an approval: in one of three ways, by what the client can.
//!
//! A 2026-07-28 client that shows forms gets an input-required result and retries the call with the answer; an older one
//! is asked while its call stays open; one that shows no forms gets the plan with a token, and hands the token back in a
//! second call after asking the person itself. What was approved is sealed, checked and used up in the engine.

use std::time::Duration;

use cloudstack_engine::{Approval, ApprovalMethod, Engine, Outcome, Plan, Report, ReportKind, RunRequest, Watch};
use rmcp::{
    RoleServer,
    model::{
        CallToolRequestParams, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, InputRequest, InputRequests,
        InputRequiredResult, ProtocolVersion,
    },
    service::{Peer, RequestContext},
};
use serde_json::{Value, json};

use super::reply::Reply;

/// The name of the question in an input-required result.
const QUESTION: &str = "approval";
/// The longest that an older client's person is waited for.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(300);

/// How the client of a call can ask its person.
#[derive(Clone, Debug)]
enum Way {
    /// By an input-required result; with what the client hands back of an earlier one.
    InputRequired(Option<HandedBack>),
    /// By a request to the client while its call is open.
    Elicitation(Box<Peer<RoleServer>>),
    /// Not by a form.
    Token,
}

/// What a client hands back of an input-required result.
#[derive(Clone, Debug)]
struct HandedBack {
    seal: String,
    answer: ElicitResult,
}

/// Asks the person behind a call.
#[derive(Clone, Debug)]
pub(super) struct Approver {
    way: Way,
}

/// What a model hands back of a plan that it was shown.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// The seal.
    pub(super) seal: String,
    /// What the person typed.
    pub(super) typed: Option<String>,
}

impl Approver {
    /// Finds out what the client of a call can.
    pub(super) fn of(request: &CallToolRequestParams, context: &RequestContext<RoleServer>) -> Self {
        let forms =
            context.client_capabilities().and_then(|capabilities| capabilities.elicitation).is_some_and(|modes| modes.form.is_some() || modes.url.is_none());
        let is_stateless = context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
        let way = match (forms, is_stateless) {
            (true, true) => Way::InputRequired(handed_back(request)),
            (true, false) => Way::Elicitation(Box::new(context.peer.clone())),
            (false, _) => Way::Token,
        };
        Self { way }
    }

    /// Runs a request, asking for an approval where the engine wants one.
    pub(super) async fn run(&self, engine: &Engine, mut request: RunRequest, token: Option<Token>, watch: &dyn Watch) -> Result<Reply, Report> {
        request.approval = self.given(token)?;
        match engine.run(request.clone(), watch).await? {
            Outcome::Done(answer) => Ok(answer.into()),
            Outcome::NeedsApproval(plan) => match &self.way {
                Way::InputRequired(_) => form(&plan).map(|form| ask(form, &plan)),
                Way::Elicitation(peer) => {
                    request.approval = Some(elicit(peer, &plan).await?);
                    match engine.run(request, watch).await? {
                        Outcome::Done(answer) => Ok(answer.into()),
                        Outcome::NeedsApproval(_) => {
                            Err(Report::new(ReportKind::Denied, "what was approved is no longer what would be done; nothing was changed")
                                .hint("call again: the person sees the present plan"))
                        }
                    }
                }
                Way::Token => Ok(Reply::done(with_token(&plan))),
            },
        }
    }

    /// The approval that came with the call.
    fn given(&self, token: Option<Token>) -> Result<Option<Approval>, Report> {
        match (&self.way, token) {
            (Way::Token, token) => Ok(token.map(|token| Approval { seal: token.seal, typed: token.typed, method: ApprovalMethod::Token })),
            (_, Some(_)) => Err(Report::new(ReportKind::Usage, "`approval_token` is for clients that cannot ask a person, which this one can")
                .hint("leave `approval_token` out: the client asks the person itself")),
            (Way::InputRequired(Some(back)), None) => consent(&back.answer, &back.seal).map(Some),
            _ => Ok(None),
        }
    }
}

/// What the client hands back, if it is an answer at all; else the question is asked anew.
fn handed_back(request: &CallToolRequestParams) -> Option<HandedBack> {
    let seal = request.request_state.clone()?;
    let answer = request.input_responses.as_ref()?.get(QUESTION)?;
    Some(HandedBack { seal, answer: serde_json::from_value(answer.clone()).ok()? })
}

/// The approval in a person's answer, or the report that there is none.
fn consent(answer: &ElicitResult, seal: &str) -> Result<Approval, Report> {
    let content = answer.content.as_ref();
    let typed = content.and_then(|content| content.get("name")).and_then(Value::as_str).map(str::to_owned).filter(|name| !name.is_empty());
    let approve = content.and_then(|content| content.get("approve")).and_then(Value::as_bool);
    let (word, decision) = match answer.action {
        ElicitationAction::Accept if approve != Some(false) && (approve == Some(true) || typed.is_some()) => {
            return Ok(Approval { seal: seal.to_owned(), typed, method: ApprovalMethod::Form });
        }
        ElicitationAction::Accept => ("did not tick the approval", "declined"),
        ElicitationAction::Decline => ("declined", "declined"),
        _ => ("dismissed the question", "cancelled"),
    };
    Err(Report::new(ReportKind::Denied, format!("the person {word}; nothing was changed"))
        .hint("this is final: do not try again, nor another way, unless the person asks for it")
        .fact("decision", decision))
}

/// Asks an older client's person while the call stays open.
async fn elicit(peer: &Peer<RoleServer>, plan: &Plan) -> Result<Approval, Report> {
    let answer = peer.create_elicitation_with_timeout(form(plan)?, Some(ANSWER_WAIT_MAX)).await;
    let answer = answer.map_err(|error| {
        Report::new(ReportKind::Denied, format!("the person could not be asked; nothing was changed: {error}"))
            .hint("call again when somebody is there to answer")
    })?;
    consent(&answer, &plan.seal)
}

fn ask(form: ElicitRequestParams, plan: &Plan) -> Reply {
    let questions = InputRequests::from([(QUESTION.to_owned(), InputRequest::Elicitation(ElicitRequest::new(form)))]);
    Reply::Ask(Box::new(InputRequiredResult::new(Some(questions), Some(plan.seal.clone()))))
}

/// The form: a box to tick, or for the widest class of calls the target's name to type.
fn form(plan: &Plan) -> Result<ElicitRequestParams, Report> {
    let schema = match &plan.typed_name {
        Some(name) => json!({
            "type": "object",
            "properties": {"name": {"type": "string", "title": format!("Type {name} to approve"), "description": "Anything else changes nothing."}},
            "required": ["name"],
        }),
        None => json!({
            "type": "object",
            "properties": {"approve": {"type": "boolean", "title": format!("Yes: {}", plan.title), "default": false}},
            "required": ["approve"],
        }),
    };
    let requested_schema: ElicitationSchema =
        serde_json::from_value(schema).map_err(|error| Report::new(ReportKind::Internal, format!("the form could not be made: {error}")))?;
    Ok(ElicitRequestParams::FormElicitationParams { meta: None, message: question(plan), requested_schema })
}

/// What the person reads: the plan, and as whom and where it would be done.
fn question(plan: &Plan) -> String {
    let receipt = &plan.receipt;
    let cloud = if receipt.embedded { "the embedded cloud".to_owned() } else { receipt.endpoint.clone() };
    let whom = receipt.account.as_deref().map(|account| format!(" as {account}")).unwrap_or_default();
    format!("{}\n\n{} ({}){whom} on {}, {cloud}", plan.summary.trim_end(), plan.command, plan.risk, receipt.profile)
}

/// The plan with the token, for a client that shows no forms.
fn with_token(plan: &Plan) -> Value {
    let typed = plan.typed_name.as_ref().map(|name| format!(" The person must type the name `{name}`: hand it over as `approval_name`.")).unwrap_or_default();
    let message = format!(
        "Not done: this needs a person's approval. Show the person the plan and ask. Only if they agree, repeat the same call with `approval_token`; it works once, for {} s.{typed}",
        plan.expires.as_secs()
    );
    let mut value = json!({"status": "needs_approval", "message": message, "approval_token": plan.seal});
    if let (Some(members), Value::Object(plan)) = (value.as_object_mut(), plan.to_value()) {
        members.extend(plan);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(action: ElicitationAction, content: Value) -> ElicitResult {
        ElicitResult::new(action).with_content(content)
    }

    #[test]
    fn consent_is_a_ticked_box_or_a_typed_name_and_nothing_else() {
        assert!(consent(&answer(ElicitationAction::Accept, json!({"approve": true})), "seal").is_ok());
        let typed = consent(&answer(ElicitationAction::Accept, json!({"name": "web-1"})), "seal").unwrap();
        assert_eq!((typed.typed.as_deref(), typed.method), (Some("web-1"), ApprovalMethod::Form));
        for (action, content) in [
            (ElicitationAction::Accept, json!({"approve": false})),
            (ElicitationAction::Accept, json!({"approve": "true"})),
            (ElicitationAction::Accept, json!({"approve": false, "name": "web-1"})),
            (ElicitationAction::Accept, json!({"name": ""})),
            (ElicitationAction::Accept, json!({"confirm": true})),
            (ElicitationAction::Decline, json!({"approve": true})),
            (ElicitationAction::Cancel, json!({"approve": true})),
        ] {
            let report = consent(&answer(action, content), "seal").unwrap_err();
            assert_eq!(report.kind, ReportKind::Denied);
            assert!(report.message.ends_with("nothing was changed"), "{}", report.message);
        }
    }

    #[test]
    fn a_token_is_refused_from_a_client_that_can_ask() {
        let approver = Approver { way: Way::InputRequired(None) };
        let token = Token { seal: "seal".to_owned(), typed: None };
        assert_eq!(approver.given(Some(token)).unwrap_err().kind, ReportKind::Usage);
    }
}
