# SMS: 160 characters of the GSM alphabet at most (straight apostrophes), no link, the code first.
delivery-sms-code = { $code } is your Matricule code, valid for { $minutes } minutes. Give it to no one, even if they ask for it.
delivery-sms-account-activated = Matricule: your school account is now active. If that was not you, tell your child's school.
delivery-sms-password-changed = Matricule: your password has just been changed. If that was not you, tell your child's school.
delivery-sms-password-reset = Matricule: your password has been reset. If you did not ask for it, tell your child's school.
delivery-sms-way-in-added = Matricule: a way to sign in was added to your account. If that was not you, tell your child's school.
delivery-sms-way-in-removed = Matricule: a way to sign in was removed from your account. If that was not you, tell your child's school.
delivery-sms-ways-in-changed = Matricule: the second step of your sign-in has just changed. If that was not you, tell your child's school.

delivery-mail-signature =
    Matricule, your school account
    { $origin }
    This message is sent automatically: there is no need to reply.

delivery-mail-code-subject = Your Matricule code
delivery-mail-code-body =
    Hello,

    { $code } is your code. It is valid for { $minutes } minutes, on the page that asks you for it.

    Give it to no one, even if they ask for it: neither the school nor the service needs it.
    If you asked for nothing, do nothing: without this code, nobody gets any further.

delivery-mail-account-activated-subject = Your account is active
delivery-mail-account-activated-body =
    Hello,

    Your school account is now active: a password has just been chosen for it.

    If that was not you, tell your child's school at once.

delivery-mail-ways-in-changed-subject = The second step of your sign-in has changed
delivery-mail-ways-in-changed-body =
    Hello,

    The second step of signing in to your school account has just changed: an app was added or removed.

    If that was not you, change your password and tell your child's school.

delivery-mail-password-changed-subject = Your password has changed
delivery-mail-password-changed-body =
    Hello,

    The password of your school account has just been changed.

    If that was you, there is nothing to do.
    If not, choose another one at once, by “Forgotten login or password” on the home page, and tell your child's school.

delivery-mail-password-reset-subject = Your password has been reset
delivery-mail-password-reset-body =
    Hello,

    The password of your school account has been reset: the old one works no more. You are given a provisional password separately; it must be replaced when you next sign in.

    If you did not ask for it, tell your child's school.

delivery-mail-way-in-added-subject = A way to sign in was added to your account
delivery-mail-way-in-added-body =
    Hello,

    Another identity service, such as FranceConnect, now opens your school account too.

    If that was you, there is nothing to do. “My ways to sign in”, in your account, shows which there are.
    If not, tell your child's school at once.

delivery-mail-way-in-removed-subject = A way to sign in was removed from your account
delivery-mail-way-in-removed-body =
    Hello,

    An identity service, such as FranceConnect, no longer opens your school account. Your other ways to sign in remain.

    If that was not you, tell your child's school at once.

delivery-page-title = Messages of the demo
delivery-page-lead = The texts and mails that the service would have sent, newest first. A real service has no such page.
delivery-page-refresh = Refresh
delivery-page-empty = No message yet. Activate an account or ask for a new password, then refresh this page.
delivery-page-sms = SMS to { $to }
delivery-page-mail = Mail to { $to }
delivery-page-now = Just now
delivery-page-minutes = { $count } min ago
delivery-page-hours = { $count } h ago
delivery-page-days = { $count ->
    [one] { $count } day ago
   *[other] { $count } days ago
}
