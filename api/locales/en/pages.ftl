service-name = Matricule
layout-skip = Skip to content
layout-nav = Navigation
layout-account = My account
layout-sign-out = Sign out
layout-accessibility = Accessibility
layout-legal = Legal notice
layout-demo = Demo.
layout-demo-text = People and schools are fictional; no message is really sent.
layout-demo-link = See the messages

home-title = Your school account
home-lead = One account to follow the schooling of all your children, whichever schools they attend.
home-sign-in = I have an account
home-sign-in-text = I sign in with my login and my password.
home-sign-in-action = Sign in
home-activate = This is my first visit
home-activate-text = I am a parent or legal guardian: I activate my account with my mobile phone.
home-activate-action = Activate my account
home-reset = I can’t sign in any more
home-reset-text = I get my login back and choose a new password with my mobile phone.
home-reset-action = Get back in

operator-unknown = The operator of this service has not given its contact details yet.

accessibility-title = Accessibility
accessibility-lead = Everybody should be able to use these pages, with or without a mouse, on a small or a large screen, with or without a screen reader.
accessibility-state = Where we stand
accessibility-state-text = These pages are designed to follow the French accessibility standard (RGAA 4.1) and WCAG 2.2 at level AA. They are checked by a program at each change. No full audit by people has been made yet, so conformance is not established.
accessibility-means = What has been done
accessibility-means-keyboard = Everything works with the keyboard, and the active element can always be seen.
accessibility-means-script = Nothing depends on JavaScript.
accessibility-means-phone = The pages adapt to a phone, to larger text and to a dark display.
accessibility-means-forms = Every field has its label, and every error says how to correct it.
accessibility-obstacle = If something stands in your way
accessibility-obstacle-text = Tell the operator of the service on which page, and what you wanted to do:
accessibility-defender = If you get no satisfactory answer, you can turn to the French Defender of Rights (Défenseur des droits).

legal-title = Legal notice
legal-operator = Operator
legal-operator-name = Operator of this service: { $name }.
legal-operator-contact = Contact: { $contact }.
legal-data = Personal data
legal-data-source = The data comes from schools: identity of pupils and of their guardians, pupils’ birth dates, phone numbers, enrolments and guardianship. The service changes none of it and makes none up.
legal-data-use = It is used to open accounts, to check who activates them, and to tell the digital services that you sign in to what they are allowed to know. The service does nothing else with it.
legal-data-history = The history of each account is kept so that what happened can be explained. Personal data in it is encrypted with a key of each person’s own; destroying that key erases it.
legal-data-requests = { $days ->
    [one] The technical trace of requests, without their content, is kept for one day.
   *[other] The technical trace of requests, without their content, is kept for { $days } days.
}
legal-rights = Your rights
legal-rights-text = To have a mistake corrected, ask the child’s school: the correction arrives here with its next file. To see your data, have it erased or object to its use, ask the operator. You can also turn to the French data protection authority (CNIL).
legal-cookies = Cookies
legal-cookies-text = Only necessary cookies are used: they keep you signed in and remember the language. There is no audience measurement and no advertising.
legal-software = Software
legal-software-text = Matricule is free software, published under the European Union Public Licence (EUPL-1.2).

form-errors = { $count ->
    [one] One answer needs correcting
   *[other] { $count } answers need correcting
}
form-day = Day
form-month = Month
form-year = Year
step = Step { $current } of { $total }

error-reference = Incident reference
error-reference-text = If you ask for help, give this reference: it leads to what happened.
error-home = Back to the home page
problem-code = Error code:

error-internal-title = Something went wrong
error-internal-text = It is not your doing. Please try again in a few minutes.
error-not-found-title = Page not found
error-not-found-text = The address may be incomplete, or the page no longer exists.
error-bad-request-title = Request not understood
error-bad-request-text = Something is missing or has the wrong form. Go back to the previous page and try again.
error-forbidden-title = Access refused
error-forbidden-text = You are not allowed to see this page.
error-unauthorized-title = Please sign in
error-unauthorized-text = Sign in to see this page.
error-cross-origin-title = Request refused
error-cross-origin-text = This form was sent from another site. Go back to the home page and start again.
error-method-not-allowed-title = Impossible request
error-method-not-allowed-text = This page can't be asked for in this way.
error-too-large-title = Too much was sent
error-too-large-text = What you are sending is larger than allowed.
error-too-many-title = Too many attempts
error-too-many-text = Wait a little before trying again.
error-timeout-title = It took too long
error-timeout-text = The service took too long to answer. Please try again in a few minutes.
error-unavailable-title = Service unavailable
error-unavailable-text = The service is unavailable for a moment. Please try again in a few minutes.
