"""Sign-ins from a network address from which widgets write, too."""

from tests.support.baton_client import Workspace

MARK_READ = """mutation MarkRead($id: ID!, $position: Int!) {
    markRead(conversationId: $id, position: $position) { id } }"""


def test_mutations_of_widgets_do_not_count_as_sign_ins_of_their_address(workspace: Workspace) -> None:
    started = workspace.start()
    conversation = started["conversation"]["id"]
    message = workspace.key.record(conversation, "ASSISTANT", "Hello.", confidence=90.0)["message"]
    # More than the sign-ins of an address in a minute, and fewer than the mutations of a widget.
    for _ in range(110):
        workspace.widget(started).ask(MARK_READ, id=conversation, position=message["position"])
    assert workspace.sign_in().token
