activation-identify-title = Activate my account
activation-identify-lead = Enter your name and the mobile number you gave to your child’s school. If we find them, you will receive a code by text message.
activation-surname = Surname
activation-surname-hint = Birth name or name in use.
activation-given-name = First name
activation-mobile = Mobile number
activation-mobile-hint = For example 06 39 98 00 01. Write a number of the Pacific or from abroad with its country code, for example +687….
activation-surname-missing = Enter your surname.
activation-given-name-missing = Enter your first name.
activation-mobile-wrong = Enter a complete mobile number, for example 06 39 98 00 01.
activation-mobile-landline = This number can’t receive text messages. Enter a mobile number.
activation-send-code = Send me a code
activation-have-account = I already have a login and a password

activation-code-title = Enter the code
activation-code-lead = If these details are the ones the school knows, a text message is on its way to the number ending in { $ending }.
activation-code-validity = { $minutes ->
    [one] Its code is valid for one minute.
   *[other] Its code is valid for { $minutes } minutes.
}
activation-code = Code
activation-code-hint = Six digits.
activation-code-submit = Continue
activation-code-none = Nothing received?
activation-code-none-text = Wait a minute. Check that the surname, first name and number are those the school knows: only the school can correct them. The number of messages per day is limited.
activation-code-resend = Send another code
activation-code-resent = A new code is on its way, if it can be. The previous one no longer works.
activation-code-not-resent = A code was asked for a moment ago, or none is left. Wait a minute or start again.
activation-code-correct = Correct my details
activation-code-shape = The code has six digits. Copy it from the latest message.
activation-code-wrong = This code is wrong. Copy it from the latest message.
activation-code-expired = This code is no longer valid. Ask for another one.
activation-code-replaced = This code was used already or has been replaced. Ask for another one.
activation-code-exhausted = Too many wrong codes. Start again.
activation-code-start-again = Start again
activation-code-start-again-text = All attempts were used. For your safety, ask for a new code from the start.

activation-children-title = Confirm my children
activation-children-lead = Enter each child’s birth date. If one of them is not yours, report it: you can go on with the others.
activation-children-none = No child can be attached to this account for now. Please ask the school to check your details.
activation-children-later = Answer later
activation-children-onward = Continue
activation-birth-date = Birth date of { $name }
activation-birth-date-shape = Enter day, month and year in digits, for example 3 9 2014.
activation-birth-date-wrong = This date is not the one in the school’s file. Please check it.
activation-child-confirm = Confirm { $name }
activation-child-report = { $name } is not my child
activation-child-confirmed = Confirmed
activation-child-reported = Reported: this child is not yours. The school will see it.
activation-child-mistaken = Reported by mistake? Enter the child’s birth date.
activation-child-after-all = { $name } is my child after all

activation-password-title = Choose a password
activation-password-change-lead = Your password is provisional. Replace it with one that only you know.
activation-password-login = Your login is
activation-password-login-keep = Write it down: you will need it each time you sign in.
activation-password = New password
activation-password-hint = At least { $number } characters. A phrase of four or five unrelated words does very well. Avoid your name, your login and words of school.
activation-password-again = The same once more
activation-password-submit = Save and sign in

password-too-short = This password is too short: it needs at least { $number } characters. Add a word or two.
password-too-long = This password is too long: { $number } characters at most.
password-common = This password is too common: it is among the first that attackers try. Make a phrase of several words.
password-own-name = This password is little more than your name or login. Add words that nobody can guess.
password-words-of-the-place = This password is easy to guess: it is mostly words of school or of this service. Add others.
password-pattern = This password is a row of keys, a repetition or a date, which are easy to guess. Make a phrase of several words.
password-guessable = This password is guessed too quickly. Add a word or two unrelated to the others.
password-mismatch = The two entries differ. Type the same password twice.

error-flow-expired-title = Please start again
error-flow-expired-text = This has expired, is finished, or was begun in another browser. Go back to the home page and start again.
error-birth-dates-exhausted-title = Too many wrong dates
error-birth-dates-exhausted-text = To protect children, this stops here. Check the dates with the school, then start again tomorrow.
