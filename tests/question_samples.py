"""Questions with the type of answer that they ask for, written for the tests."""

from app.inference.writing.question_types import QuestionType

SAMPLES: dict[QuestionType, str] = {
    QuestionType.FACT: """
What is the excess for escape of water?
What does a day ticket cost?
When does the canteen close on Fridays?
Who signs off on travel over £500?
Where do I hand in my badge?
How long is the notice period?
How much is the deposit on a double room?
how often is the lift serviced
Why was the bay line closed in March?
Which form is needed for a refund?
At what age does the child fare end?
What's the phone number of the help desk?
Hi, could you tell me when the pool opens?
I'd like to know who approves overtime.
Please tell me how far the shuttle goes.
In June, when is the roof garden open?
If I miss my train, how long is my ticket valid?
opening hours 24 dec
excess escape of water
What is the deadline for the spring intake?
whats the limit for lost keys
wat is the maximum weight of a parcel
Waht is the fee for a second card?
How big may a carry-on be?
To whom do I report a leak?
How did the fund perform in 2021?
Wie lange gilt die Garantie?
Wann öffnet das Schwimmbad?
Combien coûte la carte annuelle ?
¿Cuánto cuesta el abono mensual?
Quanto costa il biglietto?
Hoe lang is de garantie?
Quand ouvre la piscine ?
wer ist der ansprechpartner für reisen
""",
    QuestionType.DEFINITION: """
What is subrogation?
What is a no-claims bonus?
What does "wear and tear" mean?
What is meant by unoccupied?
Define accidental damage.
definition of day rate
What is an accrual?
what does PTO stand for
Meaning of excess
Was ist eine Selbstbeteiligung?
Was bedeutet Kulanz?
Qu'est-ce qu'une franchise ?
¿Qué es una franquicia?
Cos'è una franchigia?
Wat betekent eigen risico?
What's a grace period?
Can you tell me what a retention clause is?
what is the meaning of "force majeure"
""",
    QuestionType.LIST: """
What are the opening requirements for a shop account?
Which documents do I need for a claim?
What documents must I bring?
List the exclusions of the travel policy.
Name the members of the safety board.
What is covered by the basic plan?
What is not covered under contents?
Which items are excluded?
What are the benefits of the gold card?
What three things are checked at the gate?
Give me a list of approved suppliers.
examples of fixed costs
symptoms of carbon monoxide poisoning
What are the reasons for refusing a refund?
which languages does the help line speak
What do I need to bring for the swim test?
Please list all public holidays.
what are the three stages of the audit
Welche Unterlagen brauche ich?
Quels sont les documents nécessaires ?
¿Cuáles son las exclusiones?
Quali sono i vantaggi della carta?
Nenne die Ausschlüsse der Police.
documents needed for a visa
""",
    QuestionType.PROCEDURE: """
How do I cancel my membership?
How can I reset my password?
how to bleed a radiator
What are the steps to close the till?
What should I do if I lose my key?
What is the process for booking a room?
How should spilled acid be cleaned up?
Hwo do I return a parcel?
how do i file a clam
Could you tell me how to change my address?
procedure for reporting an accident
Explain how to calibrate the scale.
What do we do in case of fire?
Walk me through the evening lock-up.
After a burglary, what do I do first?
How are expenses claimed?
I don't know how to log in from home.
steps to register a vehicle
Wie kann ich kündigen?
Wie beantrage ich Urlaub?
Comment puis-je résilier mon contrat ?
¿Cómo cambio mi contraseña?
Come si rinnova la tessera?
Hoe kan ik mijn adres wijzigen?
How would one appeal a parking fine?
""",
    QuestionType.YES_NO: """
Can I bring a dog?
Is breakfast included?
Are contact lenses covered?
Do I have to pay for parking?
Does the policy cover theft from a car?
May staff park in the yard?
Is it allowed to smoke on the balcony?
Should the valve be closed overnight?
Has the rate changed since May?
Will my deposit be paid back?
Am I allowed to work from abroad?
can i cancel any time
Isn't delivery free above £50?
Must visitors sign in?
Is there a lift?
If I am ill, can I cancel for free?
Could my brother drive the van?
Are bikes allowed on the tram or not?
Hi there, is wifi free?
Do you know if the pool is heated?
Kann ich meinen Hund mitbringen?
Ist das Frühstück inbegriffen?
Est-ce que le petit déjeuner est compris ?
Puis-je annuler gratuitement ?
¿Puedo llevar a mi perro?
¿Hay aparcamiento?
Posso portare il mio cane?
Mag ik mijn hond meenemen?
""",
    QuestionType.COMPARISON: """
What is the difference between Basic and Plus?
Which is cheaper, the day ticket or the weekly ticket?
Compare the gold card with the silver card.
Basic vs Plus
How does the Mark 2 differ from the Mark 1?
How do the north and south offices compare?
What distinguishes a permit from a licence?
Which plan is better, Family or Solo?
What are the differences between contents and buildings cover?
diffrence between lease and rental
Is there any difference between the two depots?
Which has the longer warranty, the kettle or the toaster?
Day ticket or weekly ticket?
What are the advantages of direct debit over card payments?
Was ist der Unterschied zwischen Basis und Plus?
Quelle est la différence entre Basic et Plus ?
¿Cuál es la diferencia entre Básico y Plus?
Qual è la differenza tra Basic e Plus?
Wat is het verschil tussen Basis en Plus?
Who gets more leave, full-time or part-time staff?
""",
    QuestionType.SUMMARY: """
Summarise the cancellation section.
Summarize the travel policy please
Give me an overview of the pension scheme.
What does the handbook say about dress?
Tell me about the bonus scheme.
What are the key points of the data policy?
Describe the complaints process in brief.
Explain the refund rules.
Can you give me a summary of chapter two?
What is your cancellation policy?
tl;dr of the visitor rules
sumarise the parking rules
What is said about overtime?
In a nutshell, what is the plan for flooding?
What does the contract say on late payment?
Fasse den Abschnitt über Kündigung zusammen.
Zusammenfassung der Reiseregeln
Résumez la section sur les congés.
¿Qué dice el manual sobre vacaciones?
Geef een overzicht van de regels.
""",
    QuestionType.COUNT: """
How many days of leave do I get?
how many rooms are there
What is the number of seats in hall B?
Number of parking spaces
What's the total number of depots?
How many people must be at a meeting?
In 2020, how many complaints came in?
Tell me how many visitors a resident may have.
how many times may I retake the test
Wie viele Urlaubstage habe ich?
Combien de jours de congé ai-je ?
¿Cuántos días de vacaciones tengo?
Quanti giorni di ferie ho?
Hoeveel dagen verlof heb ik?
how mnay keys are issued per flat
""",
    QuestionType.OTHER: """
Thanks, that helps.
I live in Leeds.
Red handbook
Zebra K4
I saw a man at the gate.
The lift is broken again.
Great!
flood insurance
Never mind.
asdf
""",
}
