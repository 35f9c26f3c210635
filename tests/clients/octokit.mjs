// GitHub's own client for JavaScript, unchanged, on one pull request of the fake forge: octokit.mjs URL TOKEN OWNER/NAME JOB ANNS_TOKEN
import assert from "node:assert/strict";
import { Octokit } from "@octokit/rest";

const [baseUrl, auth, name, job, anns] = process.argv.slice(2);
const [owner, repo] = name.split("/");
const client = new Octokit({ baseUrl, auth });
const ann = new Octokit({ baseUrl, auth: anns });
const at = { owner, repo };
const one = { ...at, pull_number: 1 };

assert.equal((await client.rest.users.getAuthenticated()).data.login, "makima");
assert.equal((await client.rest.repos.get(at)).data.default_branch, "main");
const made = (await client.rest.pulls.create({ ...at, title: "Add login", head: "work", base: "main", draft: true })).data;
assert.deepEqual([made.number, made.state, made.draft, made.head.ref], [1, "open", true, "work"]);
const ready = "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { isDraft } } }";
const marked = await client.graphql(ready, { id: made.node_id });
assert.equal(marked.markPullRequestReadyForReview.pullRequest.isDraft, false);
await client.rest.pulls.update({ ...one, title: "Add the login", body: "For all users." });
const pull = (await client.rest.pulls.get(one)).data;
assert.deepEqual([pull.title, pull.body, pull.draft], ["Add the login", "For all users.", false]);
assert.deepEqual((await client.paginate(client.rest.pulls.list, at)).map((each) => each.number), [1]);

const issue = { ...at, issue_number: 1 };
for (let number = 1; number <= 100; number += 1) {
  await client.rest.issues.createComment({ ...issue, body: `Remark ${number}` });
}
const first = await client.rest.issues.listComments({ ...issue, per_page: 100 });
assert.equal(first.data.length, 100);
assert.equal(first.headers.link, undefined);
const edited = await client.rest.issues.updateComment({ ...at, comment_id: first.data[0].id, body: "Another one" });
assert.equal(edited.data.body, "Another one");
await client.rest.issues.createComment({ ...issue, body: "Remark 101" });
const all = await client.paginate(client.rest.issues.listComments, { ...issue, per_page: 100 });
assert.deepEqual([all.length, all[0].body, all[100].body], [101, "Another one", "Remark 101"]);

const comments = [{ path: "a.py", line: 1, side: "RIGHT", body: "Why?" }];
await assert.rejects(client.rest.pulls.createReview({ ...one, event: "APPROVE" }), { status: 422 });
const asked = await ann.rest.pulls.createReview({ ...one, event: "REQUEST_CHANGES", body: "Nearly.", comments });
const [remark] = (await client.rest.pulls.listReviewComments(one)).data;
assert.deepEqual([remark.path, remark.body, remark.pull_request_review_id], ["a.py", "Why?", asked.data.id]);
const answer = await client.rest.pulls.createReplyForReviewComment({ ...one, comment_id: remark.id, body: "Because." });
assert.equal(answer.data.in_reply_to_id, remark.id);
await ann.rest.pulls.createReview({ ...one, event: "APPROVE" });
const states = (await client.rest.pulls.listReviews(one)).data.map((each) => each.state);
assert.deepEqual(states, ["CHANGES_REQUESTED", "APPROVED"]);

const ref = pull.head.sha;
const checks = (await client.rest.checks.listForRef({ ...at, ref })).data.check_runs;
assert.deepEqual(checks.map((each) => [each.id, each.conclusion]), [[Number(job), "failure"]]);
await client.rest.repos.createCommitStatus({ ...at, sha: ref, state: "success", context: "ci/lint" });
const combined = (await client.rest.repos.getCombinedStatusForRef({ ...at, ref })).data;
assert.deepEqual(combined.statuses.map((each) => [each.context, each.state]), [["ci/lint", "success"]]);
const runs = await client.paginate(client.rest.actions.listWorkflowRunsForRepo, { ...at, head_sha: ref });
assert.deepEqual(runs.map((each) => each.conclusion), ["failure"]);
assert.match((await client.rest.actions.downloadJobLogsForWorkflowRun({ ...at, job_id: Number(job) })).data, /1 failed/);

assert.equal((await client.rest.pulls.update({ ...one, state: "closed" })).data.state, "closed");
assert.equal((await client.rest.pulls.update({ ...one, state: "open" })).data.state, "open");
assert.ok((await client.rest.pulls.merge({ ...one, merge_method: "squash", sha: ref })).data.merged);
assert.equal((await client.rest.pulls.checkIfMerged(one)).status, 204);
await assert.rejects(client.rest.pulls.merge(one), { status: 405 });
console.log("done");
