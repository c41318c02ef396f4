"""Made documents of several like things, and questions that leave open or say which is meant."""

from dataclasses import dataclass, field, replace

from app.inference.evidence_selection import stems
from guardrails.contract import Passage

_DOCUMENTS = """
# Bicycle cover
## Excess
The excess is £75 for each claim.
## Reporting a claim
A claim must be reported within 30 days. Photographs help us to settle it.
## Cancelling
You may cancel within 14 days. After that we keep £20 of the premium.
## What is covered
Theft is covered when the bicycle was locked. Rust is not covered.
# Phone cover
## Excess
The excess is £50, and £100 for a lost phone.
## Reporting a claim
A claim must be reported within 48 hours of the loss.
## Cancelling
You may cancel within 21 days. After that there is no refund of the premium.
## What is covered
Theft is not covered when the phone was left in sight. Water damage is covered.
# Laptop cover
## Excess
An excess of £120 applies to each claim.
## Reporting a claim
A claim must be reported within 10 days.
## Battery
A battery is replaced once a year.
# Maple room
## Capacity
The capacity is 12 seats.
## Hire charge
The hire charge is £40 an hour.
## Equipment
The equipment of the room is a projector and a whiteboard.
# Oak room
## Capacity
The capacity is 60 seats, or 90 without tables.
## Hire charge
The hire charge is £110 an hour.
## Equipment
The equipment of the room is a stage, a sound desk and four microphones.
# Birch room
## Capacity
The capacity is 8 seats.
## Hire charge
The hire charge is £25 an hour.
## Floor
Shoes with studs may not be worn on the floor.
# Pottery course
## Fee
The fee is £180 and includes clay.
## Dates
The first lesson is on 4 March. Lessons take two hours.
## Teacher
The teacher is Mona Vries.
## Places
There are 10 places.
# Welding course
## Fee
The fee is £320. Gloves are lent.
## Dates
The first lesson is on 19 May. Lessons take three hours.
## Teacher
The teacher is Karel Boon.
## Places
There are 6 places. Nobody under 18 may take part.
# Bookbinding course
## Fee
The fee is £95.
## Dates
The first lesson is on 2 October.
## Materials
Bring a bone folder and an apron.
# Press P200
## Limits
The maximum pressure is 90 bar.
## Service
The service interval is 500 hours.
## Oil
The oil grade is VG 46.
# Press P300
## Limits
The maximum pressure is 140 bar.
## Service
The service interval is 250 hours.
## Oil
The oil grade is VG 68.
# Parking rules
## North yard
The height limit is 2.1 metres. The parking charge is £3 a day. The gate code is 4471.
## South yard
The height limit is 3.5 metres. The parking charge is £5 a day. The gate code is 9902.
## Visitors
Visitors show their pass to the porter.
# Library card
## Deposit
The card deposit is £5. It is paid back when the card is returned.
## Loans
Up to 12 items may be borrowed.
# Museum card
## Deposit
The card deposit is £5. It is paid back when the card is returned.
## Tours
A tour begins at noon.
# Staff handbook
## Notice period
The notice period is one month.
## Canteen
The canteen opens at 11:30. A soup costs £2.
## Dress
Safety boots are worn in the hall.
## Leave
Full-time staff have 27 days of leave.
# Membership prices
## Plans
Plan | Price | Guests | Locker
Adult | £38 | 2 | yes
Student | £21 | 1 | no
Senior | £25 | 3 | yes
# Tram fares
## Fares
Fare | Amount | Transfer time
Single | £2.40 | 60 minutes
Day | £6.10 | all day
Week | £22 | all week
"""
OPEN = """
What is the excess?
How much is the excess?
what's the excess
excess?
Is there an excess?
How high is the excess on a claim?
When must a claim be reported?
How do I report a claim?
By when do I have to report a claim?
How long do I have to cancel?
When may I cancel?
Is theft covered?
What is the capacity?
What is the capacity of the room?
How many seats are there?
How many seats does the room have?
What is the hire charge?
How much is the hire charge?
What does hire cost per hour?
what is the hire charge an hour
What equipment is there?
What equipment does the room have?
What is the fee?
How much is the fee?
course fee?
What is the fee of the course?
When is the first lesson?
On what day is the first lesson?
first lesson date
How many hours do lessons take?
Who is the teacher?
Who is the teacher of the course?
How many places are there?
How many places does the course have?
What is the maximum pressure?
What is the maximum pressure of the press?
How often is the service interval?
What is the service interval?
Which oil grade is used?
What is the oil grade?
oil grade
What is the height limit?
What is the parking charge?
How much is parking a day?
What is the gate code?
gate code?
What is the price?
What is the membership price?
How many guests?
What is the transfer time?
"""
CLEAR = """
What is the excess of the bicycle cover?
What is the excess on Phone cover?
How much is the excess for a laptop?
excess bicycle
Is theft of a bicycle covered?
Is theft of my phone covered?
Is rust covered?
Is water damage covered?
When must a laptop claim be reported?
How long do I have to report a lost phone?
May I cancel the phone cover within 21 days?
How much do you keep when I cancel my bicycle cover?
Is there a refund of the premium after 21 days?
What is the excess for a lost phone?
How often is a battery replaced?
What is the capacity of the Maple room?
How many seats does the Oak room have?
capacity birch room
How many seats are there without tables?
What is the hire charge of the Birch room?
How much does the Oak room cost an hour?
Which room has a whiteboard?
Is there a projector in the Maple room?
Which room has a stage?
May I wear studs on the floor?
What is the fee of the pottery course?
How much is the welding course?
fee bookbinding
Are gloves lent?
Is clay included in the fee?
When is the first lesson in welding?
When does the bookbinding course start?
Who is the teacher of the welding course?
Who teaches pottery?
How many places does the pottery course have?
What do I need to bring for bookbinding?
How old must I be for the welding course?
Where is Mona Vries teaching?
What is the maximum pressure of the P200?
What is the maximum pressure of the Press P300?
How often is the P300 serviced?
Which oil grade does the P200 need?
oil grade P300
Which press takes VG 68?
What is the height limit in the north yard?
What is the parking charge in the south yard?
gate code south yard
What do visitors show to the porter?
What is the card deposit?
How much is the card deposit?
Is the card deposit paid back?
How many items may be borrowed?
When does a tour begin?
What is the notice period?
When does the canteen open?
How much is a soup?
Who wears safety boots?
How many days of leave do full-time staff have?
What is the price of the student plan?
How many guests may a senior bring?
What does an adult pay?
What is the transfer time of a single fare?
How much is a day fare?
What is the amount of a week fare?
What is the difference between the Maple room and the Oak room?
Summarise the bicycle cover.
What is an excess?
Thanks, that helps.
"""


def lines(block: str) -> list[str]:
    """The questions of a block."""
    return block.strip().splitlines()


@dataclass(frozen=True)
class Corpus:
    """The made documents, cut at their headings, searched by the words they share."""

    passages: tuple[Passage, ...] = field(default_factory=lambda: tuple(_passages()))

    def find(self, question: str, most: int = 5) -> list[Passage]:
        """The passages that share most words with ``question``; rare words count more."""
        held = [stems(f"{one.place} {one.text}") for one in self.passages]
        asked = stems(question)
        often = {word: sum(word in words for words in held) for word in asked}
        worth = [sum(1 / often[word] for word in asked & words) for words in held]
        best = sorted(range(len(held)), key=lambda n: -worth[n])
        return [self.passages[n] for n in best[:most] if worth[n]]


def _passages() -> list[Passage]:
    found: list[Passage] = []
    title = ""
    for line in _DOCUMENTS.strip().splitlines():
        if line.startswith("# "):
            title = line[2:]
        elif line.startswith("## "):
            key = f"p{len(found)}"
            found.append(Passage(key, title, "made", title, "", 0, 0, headings=(line[3:],)))
        else:
            text = f"{found[-1].text}\n{line}".strip()
            found[-1] = replace(found[-1], text=text, end=len(text))
    return found
