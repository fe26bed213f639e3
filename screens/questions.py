"""The list of all questions that the catalog answers, by topic, with a search by words."""

import streamlit as st

from queries import Question, by_topic
from screens import words
from screens.reading import Snapshot

TITLE = "Questions"


def page(snapshot: Snapshot) -> None:
    """Show the search, the topics and the matching questions, each with the grain of its answer."""
    st.header("Questions")
    topics = by_topic()
    left, right = st.columns([2, 1])
    with left:
        text = st.text_input(
            "search",
            key="search",
            placeholder="words of the question, its columns or its name",
            bind="query-params",
        )
    with right:
        topic = words.choose("topic", list(topics), "topic")
    found = 0
    for name, questions in topics.items():
        hits = [one for one in questions if hit(one, text or "")]
        if not hits or topic not in (None, name):
            continue
        found += len(hits)
        st.subheader(name)
        for question in hits:
            about = f":gray[`{question.name}`, {question.grain}]"
            st.markdown(f"[{question.question}](/{question.name})  \n{about}")
    total = sum(map(len, topics.values()))
    st.caption(
        f"{found} of {total} questions. Each has its numbers, the meaning of its columns, its SQL, "
        "and a figure where there is one."
    )
    if not found:
        st.info("No question has all of these words. Try fewer, or ask in SQL on the page SQL.")


def hit(question: Question, text: str) -> bool:
    """Return whether each word of a text is somewhere in a question."""
    where = f"{question.name} {question.question} {question.grain} {question.about}"
    where += " ".join(question.parameters) + question.sql
    return all(word in where.casefold() for word in text.casefold().split())
