"""What is small talk, and what is a question."""

import pytest

from app.answering.small_talk import GREETED, MACHINE, NODDED, PARTED, THANKED, reply_to

REPLIES = {
    GREETED: "Hello! | hi | HI THERE!! | How are you today? | good morning | Good evening, all"
    " | Grüß Gott | Guten Tag | ¡Hola! ¿Qué tal? | Bonjour | Hei hei | God morgen | こんにちは"
    " | 你好 | Привет! | 👋 hey | What’s up? | Hi, I have a quick question | can you help me?",
    THANKED: "Thanks | Thank you so much! | thx | Ok, thanks for your help | Vielen Dank"
    " | Merci beaucoup | Tusen takk | Great, thank you | No thanks | That's all, thanks",
    PARTED: "Bye | Thanks, bye | Goodbye! | See you later | Have a nice day | Tschüß | Au revoir",
    MACHINE: "Are you a bot? | are u human | Hi, am I talking to a real person? | Is this a"
    " robot or a human? | Who am I speaking to? | what are you | Hello, are you an AI?",
    NODDED: "ok | OK. | Great! | all right | Yes | no | got it | 👍 perfect",
}
QUESTIONS = """Hello, how long is the warranty? | Thanks, and for tents? | Good price | help | 👍
hello world app | thanks for the refund of my order | good day fee | How do you do refunds?
Are you there on Sunday? | hello 2 | Ok, cancel it | What is up for rent? | Thank you card
morning | Guten Tag, was kostet ein Zelt? | Say hello to Ann | Is a good evening dress fine?
How is it cleaned? | Goodbye gift | yes policy | Hi, refund please | the | and then?
Are you a person that I can call? | Is it a machine wash? | Is it a robot? | Is this AI insured?"""


@pytest.mark.parametrize(
    ("said", "reply"),
    [(said, reply) for reply, all_ in REPLIES.items() for said in all_.split(" | ")],
)
def test_a_greeting_thanks_or_a_farewell_has_its_reply(said: str, reply: str) -> None:
    assert reply_to(said) == reply


@pytest.mark.parametrize("said", QUESTIONS.replace("\n", " | ").split(" | "))
def test_one_other_word_makes_it_a_question(said: str) -> None:
    assert reply_to(said) == ""


def test_a_long_text_is_a_question() -> None:
    assert reply_to("hello " * 100) == ""
