from core.routing_text import clip, routing_text


def user(text):
    return {"role": "user", "content": text}


def test_the_last_user_message_decides():
    long = "Please write a quicksort in Rust with tests and comments."
    assert routing_text([user("old"), user(long)], 4000) == long


def test_a_short_message_takes_its_context_along():
    turns = [
        {"role": "system", "content": "You are a chemist."},
        user("What is benzene?"),
        {"role": "assistant", "content": "An aromatic ring."},
        user("go on"),
    ]
    assert routing_text(turns, 4000) == "You are a chemist.\n\nAn aromatic ring.\n\ngo on"


def test_what_a_harness_adds_does_not_decide():
    text = (
        "<system-reminder>Use tools</system-reminder>\nSummarise this long report in 3 lines, ok?"
    )
    assert routing_text([user(text)], 4000).startswith("Summarise")


def test_the_documents_a_question_is_about_do_not_decide():
    question = "By how many metres does the harbour rise, as the file has it?"
    text = (
        "### Task:\nRespond to the user query using the provided context, with citations.\n"
        '<context>\n<source id="1">About </context> and harbours.</source>\n</context>\n\n'
        f'<attached_files>\n<file id="3938"/>\n</attached_files>\n\n{question}'
    )
    assert routing_text([user(text)], 4000) == question
    background = "### Task:\nGenerate a title.\n<chat_history>\nUSER: hi\n</chat_history>"
    assert routing_text([user(background)], 4000) == background


def test_image_parts_are_passed_over_and_no_text_is_no_crash():
    parts = [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "what?"}]
    assert routing_text([user(parts)], 4000) == "what?"
    assert routing_text([user(None), user([None, {"text": 3}])], 4000) == ""


def test_a_long_text_keeps_head_and_tail():
    clipped = clip("a" * 500 + "b" * 500, 100)
    assert len(clipped) <= 100
    assert clipped.startswith("aaa")
    assert clipped.endswith("bbb")
